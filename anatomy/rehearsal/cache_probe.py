"""What a model's cache holds: the real forward pass over a few tokens on meta, and a look at the cache it leaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from anatomy.answers.aside import aside, to_meta
from anatomy.architecture.skeleton import Skeleton
from anatomy.errors import AnatomyError, ArchitectureError
from anatomy.inference.cache import Kind, KvCache, LayerCache
from anatomy.rehearsal.cache_inputs import TOKENS, Pass, passes
from anatomy.rehearsal.cache_states import returned_states, states_in_modules


def kv_cache_of(skeleton: Skeleton) -> KvCache:
    """What the layers of a built model keep, read from the cache that its class fills.

    Raises ArchitectureError: it keeps none, one of a kind that is not known, or its forward pass cannot be run.
    """
    found = _left_by(skeleton)
    if found.states is not None:
        return KvCache(layers=tuple(found.states))
    latent = getattr(_text(skeleton), "kv_lora_rank", None)
    crossed = getattr(found.cache, "cross_attention_cache", None)
    own = getattr(found.cache, "self_attention_cache", found.cache)
    layers = _with_states(own, [_layer(layer, latent, found.ran.length) for layer in own.layers])
    layers = [layer or found.beside.get(at) for at, layer in enumerate(layers)]
    notes = []
    empty = sum(layer is None for layer in layers)
    if empty:
        notes.append(
            f"{empty} layers keep keys and values of another modality's tokens: they are not counted, and come with the "
            "image or sound."
        )
    encoder = None
    # A decoder that stands alone has a place for them, and nothing in it.
    crossing = [layer for layer in getattr(crossed, "layers", ()) if getattr(layer, "keys", None) is not None]
    if crossing:
        layers += [_cross(layer) for layer in crossing]
        if found.ran.words:
            encoder = crossing[0].keys.shape[-2]
            notes.append(f"The encoder's {encoder:,} tokens are those of {found.ran.words}.")
    return KvCache(
        layers=tuple(layer or LayerCache(kind="none") for layer in layers),
        expanded=_expanded(_text(skeleton)) if latent else None,
        encoder_tokens=encoder,
        notes=tuple(notes),
    )


def _text(skeleton: Skeleton) -> Any:
    return skeleton.config.get_text_config(decoder=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Left:
    """What one forward pass leaves."""

    ran: Pass
    cache: Any = None
    """transformers' cache."""
    states: list[LayerCache] | None = None
    """Instead of a cache: what each layer keeps."""
    beside: Mapping[int, LayerCache] = field(default_factory=dict)
    """Layer -> what it keeps outside of the cache, where the class returns neither."""


def _left_by(skeleton: Skeleton) -> _Left:
    """What one forward pass leaves, over text alone where the class runs so, else with a picture or a sound."""
    model = skeleton.model.eval()
    failed: Exception | None = None
    tried = passes(model)
    while True:
        try:
            if (one := next(tried, None)) is None:
                break
            return _looked_at(skeleton, one)
        except _KeepsNoneError:
            raise
        except Exception as error:  # whatever a model class raises
            failed = error
    if failed is None or not model.can_generate():
        raise _keeps_none(skeleton) from failed
    if isinstance(failed, AnatomyError):
        raise failed
    said = f"{type(failed).__name__}: {str(failed).splitlines()[0] if str(failed) else ''}"
    raise ArchitectureError(
        f"The cache of {skeleton.class_name} could not be looked at: its forward pass over {TOKENS} tokens fails ({said}).",
        hint="the size of the weights is known without it: leave --kv-cache out",
    ) from failed


def _looked_at(skeleton: Skeleton, ran: Pass) -> _Left:
    model = skeleton.model
    with aside():
        out = model(**to_meta(ran.batch), use_cache=True)
    for part in (out, getattr(out, "language_model_outputs", None)):
        for name in ("past_key_values", "cache_params"):
            cache = getattr(part, name, None)
            if hasattr(cache, "layers") or hasattr(cache, "self_attention_cache"):
                return _Left(cache=cache, ran=ran)
    if (states := returned_states(out)) is not None:
        return _Left(states=states, ran=ran)
    if states_in_modules(model):
        return _Left(cache=_handed_in(skeleton, ran), ran=ran, beside=states_in_modules(model))
    raise _keeps_none(skeleton)


def _handed_in(skeleton: Skeleton, ran: Pass) -> Any:
    """The cache of a class that fills it and does not return it: handed in, as generate() does."""
    from transformers import DynamicCache

    cache = DynamicCache(config=_text(skeleton))
    with aside():
        skeleton.model(**to_meta(ran.batch), use_cache=True, past_key_values=cache)
    return cache


class _KeepsNoneError(ArchitectureError):
    """No other inputs would change that."""


def _keeps_none(skeleton: Skeleton) -> _KeepsNoneError:
    return _KeepsNoneError(
        f"{skeleton.class_name} keeps no cache: it does not write token by token, or keeps its state in a way of its own.",
        hint="--kv-cache is for models that generate",
    )


def _layer(layer: Any, latent: int | None, tokens: int) -> LayerCache | None:
    """What one layer keeps; None where it was left empty by tokens of text."""
    if type(layer).__name__ == "DummyLayer":
        return LayerCache(kind="none")
    _check_known(layer)
    kept = [t for n in ("keys", "values", "indexer_keys") if (t := getattr(layer, n, None)) is not None]
    states = [
        t
        for n in ("conv_states", "recurrent_states")
        for t in getattr(layer, n, {}).values()
        if t is not None
    ]
    if not kept and not states:
        return None
    if kept and kept[0].shape[-2] != tokens:
        raise ArchitectureError(
            f"Of {tokens} tokens its layers keep keys of {kept[0].shape[-2]}: what comes on top of a text is not known here.",
            hint="the size of the weights is known without it: leave --kv-cache out",
        )
    return LayerCache(
        kind=_kind(layer, kept, states, latent),
        token_elements=sum(tensor.numel() for tensor in kept) // tokens,
        window=getattr(layer, "sliding_window", None) if kept else None,
        state_bytes=sum(tensor.numel() * tensor.element_size() for tensor in states),
    )


_STATES_BESIDE = frozenset(("linear_cache",))
"""Lists of constant states, one a layer, that a cache keeps beside `layers`: MiniMaxCache's (models/minimax)."""


def _with_states(cache: Any, layers: list[LayerCache | None]) -> list[LayerCache | None]:
    """The layers, with the states of those that keep theirs beside them. Raises for tensors of another kind there."""
    layers = [*layers]
    for name, value in vars(cache).items():
        beside = value if isinstance(value, (list, tuple)) else [value]
        tensors = {at: one for at, one in enumerate(beside) if isinstance(one, torch.Tensor)}
        if name == "layers" or not tensors:
            continue
        if name not in _STATES_BESIDE:
            raise ArchitectureError(
                f"Its {type(cache).__name__} keeps tensors in `{name}`, and how these grow with the context is not known here.",
                hint=_KNOWN_KINDS,
            )
        layers += [None] * (len(beside) - len(layers))
        for at, state in tensors.items():
            layers[at] = LayerCache(kind="state", state_bytes=state.numel() * state.element_size())
    return layers


def _kind(layer: Any, kept: list[Any], states: list[Any], latent: int | None) -> Kind:
    if states:
        return "hybrid" if kept else "state"
    if latent is not None and kept[0].shape[-1] == latent:
        return "indexed latent" if len(kept) == 3 else "latent"
    return "sliding" if getattr(layer, "sliding_window", None) is not None else "full"


_KNOWN = frozenset(
    (
        *("DynamicLayer", "DynamicSlidingWindowLayer", "DynamicIndexedLayer", "LinearAttentionLayer"),
        *("LinearAttentionAndFullAttentionLayer", "LinearAttentionAndSlidingWindowAttentionLayer"),
    )
)
"""transformers' layers of a cache whose growth is known: by every token, up to a window, or not at all (cache_utils.py)."""


_KNOWN_KINDS = "--kv-cache knows full, sliding, latent and indexed attention, and states of constant size"


def _check_known(layer: Any) -> None:
    if type(layer).__name__ not in _KNOWN:
        raise ArchitectureError(
            f"Its layers keep a {type(layer).__name__}, and how that grows with the context is not known here.",
            hint=_KNOWN_KINDS,
        )


def _cross(layer: Any) -> LayerCache:
    kept = [tensor for tensor in (layer.keys, layer.values) if tensor is not None]
    return LayerCache(kind="cross", token_elements=sum(tensor.numel() // tensor.shape[-2] for tensor in kept))


def _expanded(config: Any) -> int:
    """Keys and values of all heads that the compressed ones stand for."""
    keys = config.qk_nope_head_dim + config.qk_rope_head_dim
    return int(config.num_attention_heads * (keys + config.v_head_dim))
