"""What a model's cache holds: the real forward pass over a few tokens on meta, and a look at the cache it leaves."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from anatomy.answers.literals import literals_known
from anatomy.answers.questions import Questions
from anatomy.answers.values import remember
from anatomy.architecture.skeleton import Skeleton
from anatomy.errors import AnatomyError, ArchitectureError
from anatomy.inference.cache import Kind, KvCache, LayerCache

TOKENS = 8
"""Length of the pass: long enough for a convolution's kernel, short enough for recurrences that go token by token."""


class _Answered(TorchDispatchMode):
    """Questions that the model asks of its data get the real value where it is known, else a refusal."""

    def __init__(self) -> None:
        super().__init__()
        self.questions = Questions()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.questions.run(func, args, kwargs or {})


def kv_cache_of(skeleton: Skeleton) -> KvCache:
    """What the layers of a built model keep, read from the cache that its class fills.

    Raises ArchitectureError: it keeps none, one of a kind that is not known, or its forward pass cannot be run.
    """
    found = _left_by(skeleton)
    latent = getattr(_text(skeleton), "kv_lora_rank", None)
    crossed = getattr(found, "cross_attention_cache", None)
    own = getattr(found, "self_attention_cache", found)
    layers = _with_states(own, [_layer(layer, latent) for layer in own.layers])
    notes = []
    empty = sum(layer is None for layer in layers)
    if empty:
        notes.append(
            f"{empty} layers keep keys and values of another modality's tokens: they are not counted, and come with the "
            "image or sound."
        )
    encoder = None
    if crossed is not None:
        encoder = _encoder_tokens(skeleton)
        layers += [_cross(layer, encoder or TOKENS) for layer in crossed.layers]
    return KvCache(
        layers=tuple(layer or LayerCache(kind="none") for layer in layers),
        expanded=_expanded(_text(skeleton)) if latent else None,
        encoder_tokens=encoder,
        notes=tuple(notes),
    )


def _text(skeleton: Skeleton) -> Any:
    return skeleton.config.get_text_config(decoder=True)


def _left_by(skeleton: Skeleton) -> Any:
    """The cache that one forward pass fills."""
    model = skeleton.model.eval()
    try:
        with literals_known(), _Answered(), torch.no_grad():
            out = model(**dict(_inputs(skeleton)), use_cache=True)
    except Exception as error:  # whatever a model class raises
        if not model.can_generate():
            raise _keeps_none(skeleton) from error
        if isinstance(error, AnatomyError):
            raise
        raise ArchitectureError(
            f"The cache of {skeleton.class_name} could not be looked at: its forward pass over {TOKENS} tokens fails "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}).",
            hint="the size of the weights is known without it: leave --kv-cache out",
        ) from error
    for name in ("past_key_values", "cache_params"):
        cache = getattr(out, name, None)
        if hasattr(cache, "layers") or hasattr(cache, "self_attention_cache"):
            return cache
    raise _keeps_none(skeleton)


def _keeps_none(skeleton: Skeleton) -> ArchitectureError:
    return ArchitectureError(
        f"{skeleton.class_name} keeps no cache: it does not write token by token, or keeps its state in a way of its own.",
        hint="--kv-cache is for models that generate",
    )


def _inputs(skeleton: Skeleton) -> Iterator[tuple[str, torch.Tensor]]:
    """A few tokens; of an encoder-decoder also the encoder's input."""
    text = "decoder_input_ids" if skeleton.config.is_encoder_decoder else "input_ids"
    yield text, _ids()
    if not skeleton.config.is_encoder_decoder:
        return
    main = getattr(skeleton.model, "main_input_name", "input_ids")
    if main == "input_features":
        shape = (1, skeleton.config.num_mel_bins, 2 * skeleton.config.max_source_positions)
        yield main, torch.empty(shape, device="meta", dtype=skeleton.model.dtype)
    else:
        yield "input_ids", _ids()


def _ids() -> torch.Tensor:
    ids = torch.zeros((1, TOKENS), dtype=torch.long, device="meta")
    remember(ids, torch.ones((1, TOKENS), dtype=torch.long))
    return ids


def _encoder_tokens(skeleton: Skeleton) -> int | None:
    """Tokens that the encoder makes of a sound; None of text, whose length is the user's."""
    sound = getattr(skeleton.model, "main_input_name", "") == "input_features"
    return int(skeleton.config.max_source_positions) if sound else None


def _layer(layer: Any, latent: int | None) -> LayerCache | None:
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
    if kept and kept[0].shape[-2] != TOKENS:
        raise ArchitectureError(
            f"Of {TOKENS} tokens its layers keep keys of {kept[0].shape[-2]}: what comes on top of a text is not known here.",
            hint="the size of the weights is known without it: leave --kv-cache out",
        )
    return LayerCache(
        kind=_kind(layer, kept, states, latent),
        token_elements=sum(tensor.numel() for tensor in kept) // TOKENS,
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


def _cross(layer: Any, tokens: int) -> LayerCache:
    kept = [tensor for tensor in (layer.keys, layer.values) if tensor is not None]
    return LayerCache(kind="cross", token_elements=sum(tensor.numel() for tensor in kept) // tokens)


def _expanded(config: Any) -> int:
    """Keys and values of all heads that the compressed ones stand for."""
    keys = config.qk_nope_head_dim + config.qk_rope_head_dim
    return int(config.num_attention_heads * (keys + config.v_head_dim))
