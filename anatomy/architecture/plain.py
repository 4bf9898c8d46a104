"""Decoders that need not be built to be counted: their checkpoint's headers say everything, and the config agrees.

Importing torch and transformers takes seconds. For a dense decoder with a head of its own the class adds only the names
of its modules' classes: every parameter is stored under its own name, and the config's numbers say each one's shape.
What is tied, quantized, made of experts or of several models, or departs from the config in any number, is left to the
class: only that knows what it holds of what is stored.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.components import COMPONENTS
from anatomy.architecture.facts import facts_from_config, named_dtype, prediction_layers, quantization
from anatomy.architecture.packed import INTEGERS
from anatomy.architecture.plain_shapes import parameters
from anatomy.architecture.site import Shape
from anatomy.architecture.stored import compare
from anatomy.architecture.tree import ModuleNode, tree_from_shapes
from anatomy.blueprint import Blueprint, TensorHeader

_NOTE = (
    "Counted from the checkpoint's headers: every parameter that the config asks for is in them, in its "
    "shape, and nothing else, so the class was not built. --build builds it, and names the classes of its modules."
)
_IN_A_LAYER = re.compile(r"(.*?)\.(0|[1-9]\d{0,8})\.(.+)")
_CODES = ("BOOL", *INTEGERS)
"""What masks, ids, scales and packed weights are stored in, and no parameter is."""


def count_plain(blueprint: Blueprint) -> Anatomy | None:
    """The anatomy of a dense decoder by its headers and config alone; None where the class could say something else."""
    config, tensors = blueprint.config, blueprint.tensors
    if config is None or not tensors or not _is_plain(config) or any(t.dtype in _CODES for t in tensors):
        return None
    facts = replace(facts_from_config(config), tied=False)
    one_layer = _one_of_the_layers(tensors, facts.layers or 0)
    if one_layer is None or one_layer != parameters(config, facts):
        return None
    excerpt, unknown = tree_from_shapes(one_layer, facts)
    if unknown:
        return None
    tree = _with_layers(_in_order(excerpt)[0], facts.layers or 0)
    return Anatomy(
        id=blueprint.id,
        origin=str(blueprint.origin),
        overrides=blueprint.overrides,
        model_type=config.get("model_type"),
        architecture=config["architectures"][0],
        facts=facts,
        tree=tree,
        dtype=named_dtype(config),
        stored=compare(tensors, tree, facts=facts),
        notes=(*blueprint.notes, _NOTE),
    )


def _is_plain(config: Mapping[str, Any]) -> bool:
    """Whether it is a decoder's own config that says that the head is not tied, and nothing out of the ordinary."""
    classes = config.get("architectures")
    return (
        isinstance(classes, list)
        and len(classes) == 1
        and str(classes[0]).lower() == f"{config.get('model_type')}ForCausalLM".replace("_", "").lower()
        and config.get("tie_word_embeddings") is False
        and not any(key.endswith("_config") and value for key, value in config.items())
        and not config.get("is_encoder_decoder")
        and "auto_map" not in config
        and not prediction_layers(config)
        and quantization(config) is None
    )


def _one_of_the_layers(tensors: Iterable[TensorHeader], layers: int) -> dict[str, Shape] | None:
    """{parameter: shape} outside the list of layers and in its first; None unless there is one list, all alike."""
    outside: dict[str, Shape] = {}
    inside: dict[tuple[str, int], dict[str, Shape]] = {}
    for tensor in tensors:
        if found := _IN_A_LAYER.match(tensor.name):
            inside.setdefault((found[1], int(found[2])), {})[found[3]] = tensor.shape
        else:
            outside[tensor.name] = tensor.shape
    prefix = next(iter(inside), ("", 0))[0]
    if not inside or inside.keys() != {(prefix, number) for number in range(layers)}:
        return None
    first = inside[prefix, 0]
    if any(layer != first for layer in inside.values()):
        return None
    return {**outside, **{f"{prefix}.0.{name}": shape for name, shape in first.items()}}


def _in_order(node: ModuleNode) -> tuple[ModuleNode, int]:
    """The node with its children as a decoder runs them, by component, and the place of its first component.

    Files order modules by name: the attention after the norms, the head before everything.
    """
    inner = sorted(map(_in_order, node.children), key=lambda child: child[1])
    own = (COMPONENTS.index(name) for parameter in node.own for name, _ in parameter.parts)
    first = min([*own, *(place for _, place in inner)], default=len(COMPONENTS))
    return replace(node, children=tuple(child for child, _ in inner)), first


def _with_layers(node: ModuleNode, layers: int) -> ModuleNode:
    """The excerpt with its one layer repeated: each has the same inside, under its own number."""
    if [child.name for child in node.children] == ["0"]:
        (first,) = node.children
        alike = (_moved(first, len(first.path), f"{node.path}.{number}") for number in range(layers))
        return replace(node, children=tuple(alike))
    return replace(node, children=tuple(_with_layers(child, layers) for child in node.children))


def _moved(node: ModuleNode, start: int, path: str) -> ModuleNode:
    """The node, and all inside, with the first `start` characters of their paths replaced by `path`."""
    return ModuleNode(
        path=path + node.path[start:],
        kind=node.kind,
        component=node.component,
        own=node.own,
        children=tuple(_moved(child, start, path) for child in node.children),
    )
