"""Sizes and words that no model's config has, refused before anything is imported or built.

A config is a handful of numbers that decide how much is built. A slip of the keyboard (10**12 hidden units,
10**9 layers) must be a sentence at once, not a machine that hangs. Pure Python: called before torch is imported.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from anatomy.dtypes import BY_NAME, DTYPES
from anatomy.errors import ArchitectureError


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """What a size in a config may be."""

    meaning: str
    """The quantity in words, for the error."""
    lowest: int
    """Smallest value that makes sense."""
    highest: int
    """Largest value accepted: far above every published model, far below what would hang a machine."""
    keys: tuple[str, ...]
    """The names that configs use for it."""
    absent_in_layers: bool = False
    """Whether a list, one value a layer, may hold 0 for a layer without it."""


BOUNDS: tuple[Bound, ...] = (
    Bound(
        meaning="layers",
        lowest=1,
        highest=10_000,
        keys=(
            *("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers", "depth"),
            *("num_hidden_groups", "inner_group_num"),
        ),
    ),
    Bound(
        meaning="layers of a part that may be absent",
        lowest=0,
        highest=10_000,
        keys=(
            *("encoder_layers", "decoder_layers", "num_encoder_layers"),
            *("num_nextn_predict_layers", "num_global_layers"),
        ),
    ),
    Bound(
        meaning="hidden units",
        lowest=1,
        highest=10_000_000,
        keys=(
            "hidden_size",
            "d_model",
            "n_embd",
            "dim",
            "embedding_size",
            "word_embed_proj_dim",
            "embed_dim",
        ),
    ),
    Bound(
        meaning="feed-forward units",
        lowest=0,
        highest=100_000_000,
        keys=(
            *("intermediate_size", "ffn_dim", "d_ff", "n_inner", "ffn_hidden_size", "encoder_ffn_dim"),
            *("decoder_ffn_dim", "moe_intermediate_size", "shared_expert_intermediate_size", "hidden_dim"),
        ),
    ),
    Bound(
        meaning="attention heads",
        lowest=1,
        highest=100_000,
        keys=(
            *("num_attention_heads", "n_head", "n_heads", "num_heads", "num_key_value_heads", "num_kv_heads"),
            *("encoder_attention_heads", "decoder_attention_heads"),
        ),
        absent_in_layers=True,
    ),
    Bound(
        meaning="units in a head",
        lowest=1,
        highest=1_000_000,
        keys=("head_dim", "d_kv", "v_head_dim", "kv_channels"),
    ),
    Bound(
        meaning="units in a part of a head",
        lowest=0,
        highest=1_000_000,
        keys=("qk_nope_head_dim", "qk_rope_head_dim"),
    ),
    Bound(meaning="tokens in the vocabulary", lowest=1, highest=1_000_000_000, keys=("vocab_size",)),
    Bound(
        meaning="positions",
        lowest=1,
        highest=10_000_000_000,
        keys=(
            "max_position_embeddings",
            "n_positions",
            "n_ctx",
            "max_source_positions",
            "max_target_positions",
        ),
    ),
    Bound(
        meaning="pixels or channels",
        lowest=1,
        highest=1_000_000,
        keys=("patch_size", "image_size", "temporal_patch_size", "spatial_merge_size", "num_channels"),
    ),
    Bound(
        meaning="experts",
        lowest=0,
        highest=1_000_000,
        keys=(
            "num_local_experts",
            "num_experts",
            "n_routed_experts",
            "n_shared_experts",
            "num_experts_per_tok",
        ),
    ),
)

_BY_KEY: dict[str, Bound] = {key: bound for bound in BOUNDS for key in bound.keys}

_HEADS, _KV_HEADS = "num_attention_heads", "num_key_value_heads"
_DTYPES = frozenset({*(dtype.name for dtype in DTYPES), "float", "double", "half"})
"""torch's own names: what a config may call a dtype."""


def check_plausible(config: Mapping[str, Any]) -> None:
    """Raise ArchitectureError when a value in the config, or in a config nested in it, is no possible one.

    Lists (one value a layer) are checked element by element; None means "the default" and passes.
    """
    _check_names(config)
    for prefix, part in _parts(config, ""):
        for key, value in part.items():
            if key == "head_dim" and value == 0 and part.get("qk_rope_head_dim") == 0:
                continue  # where it means the part of a head that is rotated
            if (bound := _BY_KEY.get(key)) is not None:
                _check_sizes(f"{prefix}{key}", bound, value)
            elif key in ("dtype", "torch_dtype") and isinstance(value, str):
                _check_dtype(f"{prefix}{key}", value)
    check_heads(config)


def check_heads(config: Mapping[str, Any]) -> None:
    """Raise ArchitectureError where query heads do not divide evenly among the key and value heads beside them."""
    for prefix, part in _parts(config, ""):
        heads, kv_heads = part.get(_HEADS), part.get(_KV_HEADS)
        if type(heads) is int and type(kv_heads) is int and kv_heads > 0 and heads % kv_heads:
            raise ArchitectureError(
                f"{prefix}{_HEADS} is {heads}, which {prefix}{_KV_HEADS} ({kv_heads}) does not divide: "
                "each key and value head serves the same number of query heads.",
                hint=f"override both, e.g. --set {prefix}{_HEADS}={heads} --set {prefix}{_KV_HEADS}={heads}",
            )


def _parts(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The config and those nested in it, each with the dotted prefix of its keys."""
    yield prefix, config
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _parts(value, f"{prefix}{key}.")


def _check_names(config: Mapping[str, Any]) -> None:
    model_type, classes = config.get("model_type"), config.get("architectures")
    if model_type is not None and not isinstance(model_type, str):
        raise ArchitectureError(
            f"model_type is {model_type!r}, but it must be the name of a kind of model.",
            hint="correct the config, or override it, e.g. --set model_type=llama",
        )
    if classes is not None and not (
        isinstance(classes, list | tuple) and all(isinstance(name, str) for name in classes)
    ):
        meant = json.dumps([classes if isinstance(classes, str) else "LlamaForCausalLM"])
        raise ArchitectureError(
            f"architectures is {classes!r}, but it must be a list of class names.",
            hint=f"correct the config, or override it, e.g. --set architectures='{meant}'",
        )


def _check_dtype(path: str, value: str) -> None:
    if value in _DTYPES:
        return
    stem = value.removeprefix("torch.")
    meant = [BY_NAME[stem].name] if stem in BY_NAME else difflib.get_close_matches(stem, _DTYPES, n=3)
    raise ArchitectureError(
        f"{path} is {value!r}, which is not torch's name of a number format.",
        hint=f"override it with --set {path}={meant[0] if meant else 'bfloat16'}",
    )


def _check_sizes(path: str, bound: Bound, value: Any) -> None:
    if not isinstance(value, list | tuple):
        _check(path, bound, value)
        return
    if bound.absent_in_layers:
        bound = replace(bound, lowest=0)
    for one in value:
        _check(path, bound, one)


def _check(path: str, bound: Bound, value: Any) -> None:
    if value is None or isinstance(value, Mapping):
        return
    hint = f"correct the config, or override it with --set {path}=N"
    if isinstance(value, float) and value.is_integer():  # JSON has one kind of number
        value = int(value)
    if type(value) is not int:
        raise ArchitectureError(
            f"{path} is {value!r}, but a number of {bound.meaning} must be an integer.", hint=hint
        )
    if not bound.lowest <= value <= bound.highest:
        raise ArchitectureError(
            f"{path} is {value}, which no model has: {bound.meaning} must be between "
            f"{bound.lowest} and {bound.highest}.",
            hint=hint,
        )
