"""Parameters -> a tree of modules with counts at every prefix; from a built model, or from names and shapes alone."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anatomy.architecture.components import classify_all, dominant, group_component
from anatomy.architecture.facts import Facts, facts_from_config
from anatomy.architecture.fused import Parts
from anatomy.architecture.site import Shape, Surroundings, surround


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnParameter:
    """A parameter at the module that owns it."""

    name: str
    """Its own name, e.g. 'weight'."""
    shape: Shape
    parts: Parts
    """(component, elements), adding up to the shape."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleNode:
    """A module: what it owns and what it contains. Totals are derived."""

    path: str
    """Dotted path from the model; '' for the model itself."""
    kind: str
    """Class name; '' when only headers are known."""
    component: str
    """The one component of all it holds, norms aside; 'attention', 'ffn' or 'experts' for a block of several; else ''."""
    own: tuple[OwnParameter, ...]
    """Parameters that it owns itself; a tied parameter only where it is counted."""
    children: tuple["ModuleNode", ...]
    """Modules inside, in the model's order."""

    def __repr__(self) -> str:
        return f"<ModuleNode {self.path!r}: {self.kind or 'module'}, {self.parameters:,} parameters>"

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition(".")[2]

    @property
    def own_parameters(self) -> int:
        """Elements that it owns itself."""
        return sum(count for parameter in self.own for _, count in parameter.parts)

    @property
    def parameters(self) -> int:
        """Elements in it and in everything that it contains."""
        return self.own_parameters + sum(child.parameters for child in self.children)

    def walk(self) -> Iterator["ModuleNode"]:
        """This module and all inside, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def by_component(self) -> dict[str, int]:
        """Component -> elements, of everything inside."""
        counts: Counter[str] = Counter()
        for node in self.walk():
            for parameter in node.own:
                for component, count in parameter.parts:
                    counts[component] += count
        return dict(counts)

    def to_dict(self) -> dict[str, Any]:
        """The nested form of `show --json`."""
        children = [child.to_dict() for child in self.children]
        return {
            "path": self.path,
            "kind": self.kind,
            "component": self.component,
            "parameters": self.own_parameters + sum(child["parameters"] for child in children),
            "children": children,
        }


def dict_of(parts: Parts) -> dict[str, int]:
    """(component, elements) pairs as a mapping, repeated components added."""
    counts: Counter[str] = Counter()
    for component, count in parts:
        counts[component] += count
    return dict(counts)


def surroundings_of(model: Any, config: Any) -> Surroundings:
    """What the recognizers may know of a built model. Tied parameters stand where they are first met."""
    base = getattr(model, "base_model_prefix", "")
    outside: set[str] = set()
    if base and base in dict(model.named_children()):
        outside = {name for name, _ in model.named_children() if name != base}
        outside |= {name for name, _ in model.named_parameters(recurse=False)}
    return surround(
        {path: tuple(parameter.shape) for path, parameter in model.named_parameters()},
        facts_from_config(config),
        kinds={path: type(module).__name__ for path, module in model.named_modules()},
        towers=_towers(model, config),
        outside_base=outside,
    )


def tree_from_model(model: Any, config: Any) -> tuple[ModuleNode, tuple[str, ...]]:
    """The tree of an nn.Module, and the paths of parameters that no recognizer knew."""
    around = surroundings_of(model, config)
    parts, unknown = classify_all(around)
    paths = [path for path, _ in model.named_modules()]
    return _grow(paths, around, parts), unknown


def tree_from_shapes(shapes: Mapping[str, Shape], facts: Facts) -> tuple[ModuleNode, tuple[str, ...]]:
    """The tree that names and shapes justify, without torch and without the model's code."""
    around = surround(shapes, facts)
    parts, unknown = classify_all(around)
    return _grow(list(_prefixes(shapes)), around, parts), unknown


def tree_from_parts(shapes: Mapping[str, Shape], parts: Mapping[str, Parts]) -> ModuleNode:
    """The tree of parameters whose components are known already."""
    return _grow(list(_prefixes(shapes)), surround(shapes, Facts()), parts)


_STANDS_FOR = {"attention": "attention.other", "ffn": "ffn.other", "experts": "experts.routed"}
"""A group -> the component to which goes what the block as a whole does, e.g. the scores of an attention."""


def module_components(model: Any, config: Any) -> dict[str, str]:
    """Every module path -> the one component to which what it computes is attributed.

    A leaf has its dominant component, a block of one family the family's 'other' (of experts the routed ones), a
    mixed container ''. A module without parameters (an activation function, a dropout) belongs to what contains it.
    """
    tree, _ = tree_from_model(model, config)
    found: dict[str, str] = {}
    for node in tree.walk():
        parent = found.get(node.path.rpartition(".")[0], "") if node.path else ""
        own = (
            _STANDS_FOR.get(node.component, node.component)
            if node.children
            else dominant(node.by_component())
        )
        found[node.path] = own or (parent if node.parameters == 0 else "")
    return found


def _grow(paths: list[str], around: Surroundings, parts: Mapping[str, Parts]) -> ModuleNode:
    children: dict[str, list[str]] = {}
    for path in paths:
        if path:
            children.setdefault(path.rpartition(".")[0], []).append(path)
    own: dict[str, list[OwnParameter]] = {}
    for path, shape in around.shapes.items():
        owner, _, name = path.rpartition(".")
        own.setdefault(owner, []).append(OwnParameter(name=name, shape=shape, parts=parts[path]))

    def grow(path: str) -> tuple[ModuleNode, Counter[str]]:
        grown = [grow(child) for child in children.get(path, ())]
        mine = tuple(own.get(path, ()))
        counts: Counter[str] = Counter()
        for parameter in mine:
            counts.update(dict_of(parameter.parts))
        for _, inner in grown:
            counts.update(inner)
        node = ModuleNode(
            path=path,
            kind=around.kinds.get(path, ""),
            component=group_component(counts),
            own=mine,
            children=tuple(child for child, _ in grown),
        )
        return node, counts

    return grow("")[0]


def _prefixes(shapes: Mapping[str, Shape]) -> dict[str, None]:
    """Every module path that the parameters' names imply, in order."""
    found: dict[str, None] = {"": None}
    for path in shapes:
        owner = path.split(".")[:-1]
        for end in range(1, len(owner) + 1):
            found[".".join(owner[:end])] = None
    return found


_TOWER_CONFIGS = {"vision_config": "vision", "image_config": "vision", "audio_config": "audio"}


def _towers(model: Any, config: Any) -> dict[str, str]:
    """Sub-models that were built from the config's own vision or audio part."""
    keys = dict(_TOWER_CONFIGS)
    if hasattr(model, "get_audio_features") and getattr(config, "text_config", None) is not None:
        keys["encoder_config"] = "audio"
    parts = {
        id(part): modality
        for key, modality in keys.items()
        if (part := getattr(config, key, None)) is not None
    }
    return {
        path: parts[id(module.config)]
        for path, module in model.named_modules()
        if path and hasattr(module, "get_input_embeddings") and id(getattr(module, "config", None)) in parts
    }
