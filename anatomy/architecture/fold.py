"""Repeated layers, shown once: layers.0-31 x 32. Only neighbours that are the same in every count are folded."""

from collections.abc import Iterator
from dataclasses import dataclass

from anatomy.architecture.tree import ModuleNode


@dataclass(frozen=True, kw_only=True, slots=True)
class Folded:
    """A module, or a run of structurally identical numbered siblings, of which the first is shown."""

    label: str
    """Own name, or the range of numbers: 'self_attn', '0-31'."""
    times: int
    """How many modules it stands for."""
    node: ModuleNode
    """The (first) module."""
    children: tuple["Folded", ...]
    """Its children, folded."""

    @property
    def parameters(self) -> int:
        """Elements in all the modules it stands for."""
        return self.times * self.node.parameters


def fold(tree: ModuleNode) -> Folded:
    """Fold runs of identical numbered siblings everywhere in the tree."""
    return Folded(label=tree.name, times=1, node=tree, children=tuple(_fold_children(tree)))


def _fold_children(parent: ModuleNode) -> Iterator[Folded]:
    run: list[ModuleNode] = []
    signature: object = None
    for child in parent.children:
        own = _signature(child)
        if run and child.name.isdigit() and run[-1].name.isdigit() and own == signature:
            run.append(child)
            continue
        if run:
            yield _fold_run(run)
        run, signature = [child], own
    if run:
        yield _fold_run(run)


def _fold_run(run: list[ModuleNode]) -> Folded:
    first, last = run[0], run[-1]
    label = first.name if len(run) == 1 else f"{first.name}-{last.name}"
    return Folded(label=label, times=len(run), node=first, children=tuple(_fold_children(first)))


def _signature(node: ModuleNode) -> tuple[object, ...]:
    """All that makes two modules the same, their own names aside."""
    return (node.kind, node.component, node.own, tuple((c.name, _signature(c)) for c in node.children))
