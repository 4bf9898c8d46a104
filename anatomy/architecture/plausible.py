"""Sizes that no model has, refused before anything is imported or built.

A config is a handful of numbers that decide how much is built. A slip of the keyboard (10**12 hidden units,
10**9 layers) must be a sentence at once, not a machine that hangs. Pure Python: called before torch is imported.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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


BOUNDS: tuple[Bound, ...] = (
    Bound(
        meaning="layers",
        lowest=0,
        highest=10_000,
        keys=(
            *("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers", "depth"),
            *("encoder_layers", "decoder_layers", "num_encoder_layers", "num_nextn_predict_layers"),
            *("num_hidden_groups", "inner_group_num", "num_global_layers"),
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
        lowest=0,
        highest=100_000,
        keys=(
            *("num_attention_heads", "n_head", "n_heads", "num_heads", "num_key_value_heads", "num_kv_heads"),
            *("encoder_attention_heads", "decoder_attention_heads"),
        ),
    ),
    Bound(
        meaning="units in a head",
        lowest=1,
        highest=1_000_000,
        keys=("head_dim", "d_kv", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "kv_channels"),
    ),
    Bound(meaning="tokens in the vocabulary", lowest=0, highest=1_000_000_000, keys=("vocab_size",)),
    Bound(
        meaning="positions",
        lowest=-1,  # DeBERTa and XLNet write -1 for "no limit"
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


def check_plausible(config: Mapping[str, Any]) -> None:
    """Raise ArchitectureError when a size in the config, or in a config nested in it, is no possible size.

    Lists (one value a layer) are checked element by element; None means "the default" and passes.
    """
    for path, bound, value in _sizes(config, ""):
        _check(path, bound, value)


def _sizes(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Bound, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _sizes(value, f"{prefix}{key}.")
        elif (bound := _BY_KEY.get(key)) is not None:
            for one in value if isinstance(value, list | tuple) else (value,):
                yield f"{prefix}{key}", bound, one


def _check(path: str, bound: Bound, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArchitectureError(
            f"{path} is {value!r}, but a number of {bound.meaning} must be an integer.",
            hint=f"correct the config, or override it with --set {path}=N",
        )
    if not bound.lowest <= value <= bound.highest:
        raise ArchitectureError(
            f"{path} is {value}, which no model has: {bound.meaning} must be between "
            f"{bound.lowest} and {bound.highest}.",
            hint=f"correct the config, or override it with --set {path}=N",
        )
