"""The tree of modules in what `anatomy show` says."""

from collections.abc import Iterable

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.fold import Folded, fold
from anatomy.architecture.tree import ModuleNode
from anatomy.documents.document import Branch, Column, Tree


def modules_tree(anatomy: Anatomy, depth: int | None) -> Tree:
    """Every module with what it holds, `depth` levels of it; None for all."""
    root = _branch(fold(anatomy.tree), anatomy.architecture or "model", 1, _tied_to(anatomy), depth)
    return Tree(
        title="Modules",
        heading="module",
        root=root,
        columns=(
            Column(name="parameters", title="parameters", show=lambda n: f"{n:,}", right=True, keep=True),
            Column(name="kind", title="class", optional=True),
            Column(name="component", title="component", keep=True),
        ),
    )


def _tied_to(anatomy: Anatomy) -> dict[str, str]:
    """Module whose parameters are counted elsewhere -> the component that counts them."""
    component = {
        f"{node.path}.{own.name}".removeprefix("."): ", ".join(name for name, _ in own.parts)
        for node in anatomy.tree.walk()
        for own in node.own
    }
    return {
        path.rpartition(".")[0]: component.get(group.counted, group.counted)
        for group in anatomy.tied
        for path in group.also
    }


def _branch(at: Folded, label: str, times: int, tied: dict[str, str], depth: int | None) -> Branch:
    """A module with what is inside; a list of identical layers is one line, 'layers.0-31 x 32'."""
    times *= at.times
    node, children = at.node, at.children
    if len(children) == 1 and children[0].times > 1 and not node.own:
        run = children[0]
        return _branch(run, f"{label}.{run.label} × {run.times}", times, tied, depth)
    inner: tuple[Branch, ...] = ()
    if depth is None or depth > 0:
        below = None if depth is None else depth - 1
        own = [] if not children else _own(at, times)
        inner = (
            *own,
            *(
                _branch(child, _label(child), times, tied, below)
                for child in children
                if child.parameters or any(n.path in tied for n in child.node.walk())
            ),
        )
    counted = tied.get(node.path)
    component = node.component.removesuffix(".other") if children else _components_of(node)
    if counted and not node.parameters:
        component = f"tied to {counted}"
    return Branch(
        label=label,
        cells=(times * node.parameters, "" if node.kind == label else node.kind, component),
        children=inner,
    )


def _components_of(leaf: ModuleNode) -> str:
    """What a leaf holds; a fused projection holds several: 'attention.query, key, value'."""
    return _listed(leaf.by_component())


def _listed(components: Iterable[str]) -> str:
    """'attention.query, key, value'."""
    names = list(dict.fromkeys(components))
    family = names[0].partition(".")[0] if names else ""
    return ", ".join([*names[:1], *(name.removeprefix(f"{family}.") for name in names[1:])])


def _label(child: Folded) -> str:
    return f"{child.label} × {child.times}" if child.times > 1 else child.label


def _own(at: Folded, times: int) -> list[Branch]:
    """Parameters that a module with children owns itself, so that the lines under it add up."""
    return [
        Branch(
            label=own.name,
            cells=(
                times * sum(n for _, n in own.parts),
                "parameter",
                _listed(name for name, _ in own.parts),
            ),
        )
        for own in at.node.own
    ]
