"""The numbers that describe a transformer, under one name each, whatever the config calls them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from anatomy.dtypes import BY_NAME

_VARIES = object()
"""A fact that differs from layer to layer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What a model is, in numbers. None means that the description does not say, or that it varies by layer."""

    layers: int | None = None
    """Transformer blocks (of the decoder, where there is an encoder too)."""
    encoder_layers: int | None = None
    """Blocks of the encoder of an encoder-decoder."""
    hidden_size: int | None = None
    """Width of the residual stream."""
    heads: int | None = None
    """Query heads in an attention block."""
    kv_heads: int | None = None
    """Key and value heads in an attention block; below `heads` for grouped or multi-query attention."""
    head_dim: int | None = None
    """Width of one query or key head."""
    v_head_dim: int | None = None
    """Width of one value head, where it differs from the key's."""
    ffn_width: int | None = None
    """Inner width of the dense feed-forward block."""
    vocabulary: int | None = None
    """Rows of the token embedding."""
    context: int | None = None
    """Longest sequence that the config states, in tokens."""
    tied: bool | None = None
    """Whether the language-model head is the token embedding."""
    layer_kinds: tuple[str, ...] = ()
    """The attention or mixer kind of every layer where it varies (sliding, full, linear, mamba ...); else empty."""
    experts: int | None = None
    """Routed experts in a mixture-of-experts layer."""
    expert_width: int | None = None
    """Inner width of one routed expert."""
    experts_active: int | None = None
    """Routed experts that each token uses."""
    experts_shared: int | None = None
    """Experts that every token uses."""
    nope_head_dim: int | None = None
    """Latent attention: the part of a key head that carries no position."""
    varying: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Fact that differs from layer to layer -> its value in each, the first layer's first."""

    def to_dict(self) -> dict[str, Any]:
        """The facts that are known."""
        return {k: v for k, v in asdict(self).items() if v not in (None, (), {})}


ALIASES: dict[str, tuple[str, ...]] = {
    "layers": (
        "num_hidden_layers",
        "n_layer",
        "n_layers",
        "decoder_layers",
        "num_decoder_layers",
        "num_layers",
    ),
    "hidden_size": ("hidden_size", "d_model", "n_embd", "dim", "model_dim"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv"),
    "head_dim": ("qk_head_dim", "head_dim", "d_kv", "kv_channels", "attention_head_dim"),
    "v_head_dim": ("v_head_dim",),
    "nope_head_dim": ("qk_nope_head_dim",),
    "ffn_width": (
        *(
            "intermediate_size",
            "ffn_dim",
            "d_ff",
            "n_inner",
            "ffn_hidden_size",
            "decoder_ffn_dim",
            "hidden_dim",
        ),
    ),
    "vocabulary": ("vocab_size",),
    "context": (
        "max_position_embeddings",
        "n_positions",
        "n_ctx",
        "max_target_positions",
        "max_sequence_length",
    ),
    "expert_width": ("moe_intermediate_size", "expert_intermediate_size", "moe_ffn_hidden_size"),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
    "experts_active": ("num_experts_per_tok", "num_experts_per_token", "moe_top_k", "top_k_experts"),
    "experts_shared": ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"),
}
"""Our name of a fact -> the names that configs give it, the commonest first."""

_ENCODER_LAYERS = ("encoder_layers", "num_encoder_layers")
_DECODER_LAYERS = ("decoder_layers", "num_decoder_layers")
_PREDICTION_LAYERS = (
    *("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_layers", "mtp_num_layers"),
    "num_mtp_modules",
)
QUANTIZATION = ("quantization_config", "compression_config")
"""Where a config.json says that its checkpoint is quantized."""
_LAYER_KINDS = ("layer_types", "layers_block_type", "block_types", "attention_layers")


def facts_from_config(config: Any) -> Facts:
    """Read the facts of the text part from a transformers config object, or from a plain mapping."""
    text = _text_part(config)
    values: dict[str, Any] = {name: _first_integer(text, keys) for name, keys in ALIASES.items()}
    values["layer_kinds"] = _layer_kinds(text)
    values["varying"] = _varying(text)
    if _get(config, "is_encoder_decoder"):
        # Of the whole config: its text part is a copy with the decoder's settings in the encoder's places, and class
        # defaults where they stood. T5 calls the encoder's depth `num_layers`; the others have a name for it.
        encoder = (*_ENCODER_LAYERS, "num_layers")
        values["encoder_layers"] = _first_integer(config, encoder) or _first_integer(text, encoder)
        values["layers"] = _first_integer(config, _DECODER_LAYERS) or values["layers"]
    return _derive(Facts(**values), text)


def prediction_layers(config: Any) -> int:
    """Layers that predict tokens further ahead (MTP), which the config names and classes mostly do not build."""
    return _first_integer(_text_part(config), _PREDICTION_LAYERS) or 0


def prediction_key(config: Any) -> str | None:
    """The name under which a config gives the number of its prediction layers; None where it gives none."""
    text = _text_part(config)
    return next((key for key in _PREDICTION_LAYERS if _first_integer(text, (key,))), None)


def named_dtype(config: Mapping[str, Any]) -> str | None:
    """torch's name of the dtype that a config.json names, its own or that of a nested config, the text's first."""
    text = _text_part(config)
    for part in (config, text):
        if found := next(
            (part[key] for key in ("dtype", "torch_dtype") if isinstance(part.get(key), str)), None
        ):
            return BY_NAME[found].name if found in BY_NAME else str(found)
    nested = (part for key, part in config.items() if key.endswith("_config") and key not in QUANTIZATION)
    return next(
        (found for part in nested if isinstance(part, Mapping) and (found := named_dtype(part))), None
    )


def quantization(config: Mapping[str, Any]) -> str | None:
    """How the checkpoint of a config.json is quantized, e.g. 'mxfp4'; None when it is not."""
    how = quantization_settings(config)
    return str(how.get("quant_method") or how.get("format") or "a method that is not named") if how else None


def quantization_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a config.json says of how its checkpoint is quantized; empty when it is not."""
    parts = (part.get(key) for part in (config, _text_part(config)) for key in QUANTIZATION)
    return next((how for how in parts if isinstance(how, Mapping) and how), {})


def _derive(facts: Facts, text: Any) -> Facts:
    """Fill in what follows from other facts."""
    if facts.head_dim is None and "head_dim" not in facts.varying and facts.hidden_size and facts.heads:
        facts = replace(facts, head_dim=facts.hidden_size // facts.heads)
    if _get(text, "multi_query") is True and not _get(text, "new_decoder_architecture"):
        facts = replace(facts, kv_heads=1)  # the GPT-BigCode and Falcon spelling of one shared head
    elif facts.kv_heads is None and "kv_heads" not in facts.varying:
        facts = replace(facts, kv_heads=facts.heads)
    if facts.context is not None and facts.context <= 0:
        facts = replace(facts, context=None)
    return facts


def _text_part(config: Any) -> Any:
    if isinstance(config, Mapping):
        nested = (config.get(key) for key in ("text_config", "llm_config", "language_config"))
        return next((part for part in nested if isinstance(part, Mapping)), config)
    get = getattr(config, "get_text_config", None)
    # decoder=True: of an encoder-decoder, the side that writes text.
    return get(decoder=True) if callable(get) else config


def _get(source: Any, key: str) -> Any:
    if isinstance(source, Mapping):
        return source.get(key)
    try:
        return getattr(source, key, None)
    except RuntimeError:  # transformers' refusal to answer for all layers at once
        return _VARIES


def _first_integer(source: Any, keys: Iterable[str]) -> int | None:
    for key in keys:
        value = _get(source, key)
        if isinstance(value, list | tuple) and len(set(map(str, value))) == 1:
            value = value[0]
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if value is _VARIES:
            return None
    return None


_MAY_VARY = ("heads", "kv_heads", "head_dim", "ffn_width")


def _varying(text: Any) -> dict[str, tuple[int, ...]]:
    found = ((name, _by_layer(text, key)) for name in _MAY_VARY for key in ALIASES[name])
    return {name: values for name, values in found if len({*values}) > 1}


def _by_layer(text: Any, key: str) -> tuple[int, ...]:
    """A number of each layer, where the config gives a list, or a config for each; () where it gives one for all."""
    values = _get(text, key)
    if values is _VARIES:
        values = [_get(layer, key) for layer in _get(text, "per_layer_config")]
    plain = isinstance(values, list | tuple) and all(type(value) is int for value in values)
    return tuple(values) if plain else ()


def _layer_kinds(text: Any) -> tuple[str, ...]:
    for key in _LAYER_KINDS:
        kinds = _get(text, key)
        if isinstance(kinds, list | tuple) and all(isinstance(kind, str) for kind in kinds):
            return tuple(kinds) if len(set(kinds)) > 1 else ()
    return ()
