"""Decoders that need not be built to be counted: their checkpoint's headers say everything, and the config agrees.

Importing torch and transformers takes seconds. For a dense decoder with a head of its own the class adds only the names
of its modules' classes: every parameter is stored under its own name, and the config's numbers say each matrix's size.
What is tied, quantized, made of experts or of several models, or departs from the config in any number, is left to the
class: only that knows what it holds of what is stored.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from anatomy.architecture.anatomy import Anatomy, count_headers
from anatomy.architecture.components import COMPONENTS
from anatomy.architecture.facts import Facts, facts_from_config, named_dtype, prediction_layers, quantization
from anatomy.architecture.packed import is_buffer, is_packed, is_quantization_data
from anatomy.architecture.tree import ModuleNode
from anatomy.blueprint import Blueprint, TensorHeader

_NOTE = (
    "Counted from the checkpoint's headers: the config agrees with every matrix in them, so the class was not built. "
    "--build builds it, and names the classes of its modules."
)

_EITHER = ("ffn.gate",)
"""Components that some decoders have and others have not."""


def count_plain(blueprint: Blueprint) -> Anatomy | None:
    """The anatomy of a dense decoder by its headers and config alone; None where the class could say something else."""
    config = blueprint.config
    if config is None or not blueprint.tensors or not _is_plain(config) or not _are_plain(blueprint.tensors):
        return None
    facts = replace(facts_from_config(config), tied=False)
    counted = count_headers(blueprint)
    if counted.unclassified or not _agrees(counted.tree, facts):
        return None
    return replace(
        counted,
        architecture=config["architectures"][0],
        facts=facts,
        tree=_in_order(counted.tree)[0],
        dtype=named_dtype(config),
        notes=(*counted.notes, _NOTE),
    )


def _is_plain(config: Mapping[str, Any]) -> bool:
    """Whether it is a decoder's own config that says that the head is not tied, and nothing out of the ordinary."""
    classes = config.get("architectures")
    return (
        isinstance(classes, list)
        and len(classes) == 1
        and str(classes[0]).endswith("ForCausalLM")
        and config.get("tie_word_embeddings") is False
        and not any(key.endswith("_config") and value for key, value in config.items())
        and not config.get("is_encoder_decoder")
        and "auto_map" not in config
        and not prediction_layers(config)
        and quantization(config) is None
    )


def _are_plain(tensors: Iterable[TensorHeader]) -> bool:
    """Whether each is one parameter."""
    return not any(
        is_buffer(tensor) or is_packed(tensor) or is_quantization_data(tensor) for tensor in tensors
    )


def _agrees(tree: ModuleNode, facts: Facts) -> bool:
    """Whether every layer holds the same, every matrix is of the config's size, and all it needs is there."""
    matrices, nodes = _matrices(facts), [*tree.walk()]
    layers = [node for node in nodes if node.name.isdigit()]
    if not matrices or sorted(int(layer.name) for layer in layers) != [*range(facts.layers or 0)]:
        return False
    if len({layer.path.rpartition(".")[0] for layer in layers}) != 1 or len({*map(_content, layers)}) != 1:
        return False
    found: Counter[str] = Counter()
    for node in nodes:
        for own in node.own:
            if any(name not in {*matrices, "norm"} for name, _ in own.parts):
                return False
            if len(own.shape) > 1:
                if any(matrices.get(name) != count for name, count in own.parts):
                    return False
                found.update(name for name, _ in own.parts)
    once = ("embedding", "head")
    return all(
        found[name] == (1 if name in once else len(layers)) or (name in _EITHER and not found[name])
        for name in matrices
    )


def _matrices(facts: Facts) -> dict[str, int]:
    """Component -> elements of its one matrix (in each layer, but for embedding and head); {} where facts are missing."""
    numbers = (
        facts.vocabulary,
        facts.hidden_size,
        facts.heads,
        facts.kv_heads,
        facts.head_dim,
        facts.ffn_width,
    )
    known = [number for number in numbers if number]
    if len(known) < len(numbers) or facts.v_head_dim is not None or facts.experts:
        return {}
    vocabulary, width, heads, kv_heads, head, inner = known
    query, key = heads * head * width, kv_heads * head * width
    attention = {"query": query, "key": key, "value": key, "output": query}
    return {
        "embedding": vocabulary * width,
        "head": vocabulary * width,
        **{f"attention.{name}": count for name, count in attention.items()},
        **dict.fromkeys(("ffn.gate", "ffn.up", "ffn.down"), inner * width),
    }


def _content(layer: ModuleNode) -> frozenset[tuple[str, tuple[int, ...]]]:
    """What a layer stores: names within it, and shapes."""
    start = len(layer.path)
    return frozenset(
        (f"{node.path[start:]}.{own.name}", own.shape) for node in layer.walk() for own in node.own
    )


def _in_order(node: ModuleNode) -> tuple[ModuleNode, int]:
    """The node with its children as a decoder runs them, and the place of the first of its components.

    Files order modules by name, so that layer 10 comes before layer 2. A list goes by its numbers.
    """
    inner = [_in_order(child) for child in node.children]
    inner.sort(key=lambda child: (0, int(name)) if (name := child[0].name).isdigit() else (1, child[1]))
    own = (COMPONENTS.index(name) for parameter in node.own for name, _ in parameter.parts)
    first = min([*own, *(place for _, place in inner)], default=len(COMPONENTS))
    return replace(node, children=tuple(child for child, _ in inner)), first
