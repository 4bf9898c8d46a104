"""Each parameter -> a component, by structure: an ordered list of small recognizers, the most specific first.

A recognizer looks at one parameter's site (path, shape, class of the owner, neighbours, the config's numbers) and
answers with parts that add up to the parameter, or with None. What no recognizer knows is 'other' and is reported
as unclassified. No model's name occurs here.

The words, where usage varies: an embedding is what turns the input into vectors (token tables, patch and
spectrogram convolutions); a projector is what leads from one part, width or stream to another; a tower of another modality is 'vision' or 'audio' with everything in it; a head is
what lies outside the base model, its own norms included; every other norm is a norm.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from anatomy.architecture.fused import (
    Parts,
    halve,
    is_double_width,
    split_kv,
    split_latent_kv,
    split_qkv,
)
from anatomy.architecture.gguf_names import classify_gguf, named_so
from anatomy.architecture.site import Site, Surroundings, site_of
from anatomy.architecture.vocabulary import says

COMPONENTS: tuple[str, ...] = (
    *("embedding", "position", "attention.query", "attention.key", "attention.value", "attention.output"),
    *("attention.other", "ffn.gate", "ffn.up", "ffn.down", "ffn.other", "router", "experts.routed"),
    *(
        "experts.shared",
        "norm",
        "mixer",
        "vision",
        "audio",
        "projector",
        "pooler",
        "head",
        "adapter",
        "other",
    ),
)
"""Every component name, in the order in which tables show them."""

Recognizer = Callable[[Site], Parts | None]


def classify(site: Site) -> Parts | None:
    """The parts of one parameter, or None when no recognizer knows it."""
    for recognize in RECOGNIZERS:
        if parts := recognize(site):
            return parts
    return None


def classify_all(around: Surroundings) -> tuple[dict[str, Parts], tuple[str, ...]]:
    """All parameters' parts, and the paths that no recognizer knew (counted as 'other')."""
    parts: dict[str, Parts] = {}
    unknown: list[str] = []
    recognize = classify_gguf if named_so(around.shapes) else classify
    for path, shape in around.shapes.items():
        known = recognize(site_of(path, around))
        if known is None:
            unknown.append(path)
        parts[path] = known or (("other", math.prod(shape)),)
    return parts, tuple(unknown)


def _whole(site: Site, component: str) -> Parts:
    return ((component, math.prod(site.shape)),)


def _adapter(site: Site) -> Parts | None:
    found = site.inside("adapter") or says(site.name, "adapter")
    return _whole(site, "adapter") if found and not site.inside("projector") else None


def _head(site: Site) -> Parts | None:
    first = site.owner[0] if site.owner else site.name
    # From headers a nested model may stand first: 'language_model.lm_head' is found by its own name.
    by_name = site.inside("head_anywhere") or (not site.around.kinds and says(first, "head_first"))
    named = (
        says(first, "head_first") or first == "decoder"
    )  # 'decoder.bias': a decoder of one matrix is a head
    bare = len(site.owner) == 1 and named and not site.inside("embedding")
    return _whole(site, "head") if by_name or bare or first in site.around.heads else None


def _projector(site: Site) -> Parts | None:
    return _whole(site, "projector") if site.inside("projector") or says(site.name, "projector") else None


def _tower(site: Site) -> Parts | None:
    for end in range(1, len(site.owner) + 1):
        if found := site.around.towers.get(".".join(site.owner[:end])):
            return _whole(site, found)
    for modality in ("vision", "audio"):
        if site.inside(modality):
            return _whole(site, modality)
    return None


def _pooler(site: Site) -> Parts | None:
    return _whole(site, "pooler") if site.inside("pooler") else None


def _norm(site: Site) -> Parts | None:
    if len([n for n in site.shape if n > 1]) > 1:
        return None
    named = bool(site.owner) and says(site.owner[-1], "norm")
    by_kind = site.kind is not None and says(site.kind, "norm_kind")
    return _whole(site, "norm") if by_kind or named or says(site.name, "norm") else None


def _position(site: Site) -> Parts | None:
    words = [site.name, *site.owner[-2:]]
    return _whole(site, "position") if any(says(word, "position") for word in words) else None


def _experts(site: Site) -> Parts | None:
    if site.inside("shared_experts") and not says(site.owner[-1], "router"):
        return _whole(site, "experts.shared")
    if _is_router(site):
        return _whole(site, "router")
    stacked = len(site.shape) == 3 and site.shape[0] == site.around.facts.experts and site.block != "mixer"
    return _whole(site, "experts.routed") if site.inside("experts") or stacked else None


def _is_router(site: Site) -> bool:
    """Named like a router, and either beside experts or as tall as there are experts."""
    named = [i for i, segment in enumerate(site.owner) if says(segment, "router")]
    if not named and not says(site.name, "router"):
        return False
    if any("router" in segment.lower() for segment in site.owner):
        return True
    beside = ".".join(site.owner[: named[0]] if named else site.owner)
    tall = (
        bool(site.shape) and site.around.facts.experts is not None and site.around.facts.experts in site.shape
    )
    return site.around.blocks.get(beside) == "moe" or (tall and not site.inside("experts"))


def _residual(site: Site) -> Parts | None:
    """Scales, gates and mixing weights of the residual stream: recognised, and no component of their own."""
    if site.inside("residual_mixing") or says(site.name, "residual_mixing"):
        return _whole(site, "other")
    small = len([n for n in site.shape if n > 1]) <= 1
    named = says(site.name, "scale") or (bool(site.owner) and says(site.owner[-1], "scale"))
    return _whole(site, "other") if small and named and site.block is None else None


def _mixer(site: Site) -> Parts | None:
    recurrent = says(site.name, "recurrent_cell")
    named = site.block is None and any(says(segment, "mixer_block") for segment in site.local)
    depthwise = len(site.shape) == 3 and site.shape[1] == 1 and site.name == "weight"
    found = site.block == "mixer" or recurrent or named or depthwise
    return _whole(site, "mixer") if found else None


def _attention(site: Site) -> Parts | None:
    if site.block != "attention" and not any(says(segment, "attention_block") for segment in site.local):
        return None
    if any(says(word, "attention_extra") for word in site.words):
        return _whole(site, "attention.other")
    for word in site.words:
        for role, recognize in _ATTENTION_ROLES.items():
            if says(word, role):
                return recognize(site) or _whole(site, "attention.other")
    return _whole(site, "attention.other")


def _ffn(site: Site) -> Parts | None:
    in_block = site.block in ("ffn", "moe") or any(says(segment, "ffn_block") for segment in site.local)
    in_layer = bool(site.local) and says(site.local[-1], "ffn_in_layer")
    if not in_block and not in_layer:
        return None
    for word in site.words:
        if says(word, "fused_gate_up") and (word == "gate_up_proj" or is_double_width(site)):
            return halve(site, ("ffn.gate", "ffn.up")) or _whole(site, "ffn.other")
        for role in ("gate", "up", "down"):
            if says(word, role):
                return _whole(site, f"ffn.{role}")
    return _whole(site, "ffn.other")


def _embedding(site: Site) -> Parts | None:
    by_kind = site.kind is not None and "Embedding" in site.kind
    by_name = site.inside("embedding") or says(site.name, "embedding")
    return _whole(site, "embedding") if by_kind or by_name else None


def _convolution(site: Site) -> Parts | None:
    by_kind = site.kind is not None and "Conv" in site.kind and site.kind != "Conv1D"
    return _whole(site, "mixer") if by_kind else None


def _bridge(site: Site) -> Parts | None:
    """A matrix alone in a layer, or right in an encoder or decoder: it leads from one width or stream to another."""
    *above, last = site.owner or ("",)
    alone = bool(above) and (above[-1].isdigit() or says(above[-1], "stack"))
    return _whole(site, "projector") if alone and site.block is None and says(last, "bridge") else None


OTHER_KINDS = "scales, gates and mixing weights of the residual stream, and of logits"
"""What is counted as 'other' although it was recognised: see `_residual`."""

_ATTENTION_ROLES: dict[str, Recognizer] = {
    "fused_qkv": split_qkv,
    "latent_kv_up": split_latent_kv,
    "fused_kv": split_kv,
    "query": lambda site: _whole(site, "attention.query"),
    "key": lambda site: _whole(site, "attention.key"),
    "value": lambda site: _whole(site, "attention.value"),
    "output": lambda site: _whole(site, "attention.output"),
}

RECOGNIZERS: tuple[Recognizer, ...] = (
    *(_adapter, _head, _projector, _tower, _pooler, _norm, _position, _experts, _residual, _mixer),
    *(_attention, _ffn, _embedding, _convolution, _bridge),
)
"""Most specific first."""


def classify_parameters(model: Any, config: Any) -> dict[str, Parts]:
    """Parameter path -> ((component, elements), ...), adding up to the parameter; tied parameters once.

    `model` is an nn.Module, on any device; `config` its transformers config.
    """
    from anatomy.architecture.tree import surroundings_of

    return classify_all(surroundings_of(model, config))[0]


def dominant(parts: Mapping[str, int]) -> str:
    """The component with the most elements; '' of nothing."""
    return max(parts, key=lambda name: parts[name]) if parts else ""


_GROUPS: dict[frozenset[str], str] = {
    frozenset({"attention"}): "attention",
    frozenset({"ffn"}): "ffn",
    frozenset({"experts"}): "experts",
    frozenset({"experts", "router"}): "experts",
}
"""Families of components that one block may hold -> the group that the block is shown as."""


def group_component(parts: Mapping[str, int]) -> str:
    """What a module is, from the parts of all it holds: one component, a group of them, or ''.

    A block of attention is 'attention', whatever norms it holds; a router with its experts is 'experts'; a whole
    layer is ''. A group is never the name of a component, so it cannot be mistaken for one of the totals.
    """
    names = {name for name in parts if name != "norm"} or set(parts)
    if len(names) == 1:
        return next(iter(names))
    return _GROUPS.get(frozenset(name.partition(".")[0] for name in names), "")
