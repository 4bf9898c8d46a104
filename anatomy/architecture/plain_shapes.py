"""Every parameter of dense decoders whose class adds nothing to its config: names and shapes, by model type.

From transformers' `models/<type>/modeling_<type>.py`; a test builds each class and compares. A type that has no row, or
a config that departs from its row's assumptions, is built.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from anatomy.architecture.facts import Facts
from anatomy.architecture.site import Shape

Modules = Mapping[str, str]
"""A module's path -> the sizes of its weight's dimensions, as `sizes` names them."""

_QUERY_KEY_VALUE = "q_proj k_proj v_proj"
_GATED_FFN = "gate_proj up_proj down_proj"

_ATTENTION: Modules = {
    "self_attn.q_proj": "query hidden",
    "self_attn.k_proj": "key hidden",
    "self_attn.v_proj": "key hidden",
    "self_attn.o_proj": "hidden query",
}
_UP_DOWN: Modules = {"mlp.up_proj": "inner hidden", "mlp.down_proj": "hidden inner"}
_GATED: Modules = {"mlp.gate_proj": "inner hidden", **_UP_DOWN}
_FUSED_GATE: Modules = {"mlp.gate_up_proj": "gate_and_up hidden", "mlp.down_proj": "hidden inner"}
_BEFORE: Modules = {"input_layernorm": "hidden", "post_attention_layernorm": "hidden"}
_AFTER: Modules = {"post_attention_layernorm": "hidden", "post_feedforward_layernorm": "hidden"}
_HEAD_NORMS: Modules = {"self_attn.q_norm": "head", "self_attn.k_norm": "head"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """One model type's parameters."""

    layer: Modules
    """Inside each layer."""
    layers: str = "model.layers"
    """The list of layers."""
    outside: Modules = field(
        default_factory=lambda: {
            "model.embed_tokens": "vocabulary hidden",
            "model.norm": "hidden",
            "lm_head": "vocabulary hidden",
        }
    )
    """Outside the layers."""
    biased: str = ""
    """Modules that always have a bias, by the last part of their paths."""
    switched: Mapping[str, tuple[bool, str]] = field(default_factory=dict)
    """A config's key -> its default, and the modules that have a bias where it is true."""
    only: Mapping[str, Any] = field(default_factory=dict)
    """A config's key -> the one value, also its default, with which the class is as described here."""
    stated: tuple[str, ...] = ("num_key_value_heads",)
    """Keys that the config must give, because the class's default does not follow from its other numbers."""


_LLAMA = Decoder(
    layer={**_ATTENTION, **_GATED, **_BEFORE},
    switched={
        "attention_bias": (False, f"{_QUERY_KEY_VALUE} o_proj"),
        "mlp_bias": (False, _GATED_FFN),
    },
    stated=(),
)
_MISTRAL = Decoder(layer=_LLAMA.layer)
_OLMO_2 = Decoder(
    layer={
        **_ATTENTION, **_GATED, **_AFTER, "self_attn.q_norm": "query", "self_attn.k_norm": "key",
    },
    switched={"attention_bias": (False, f"{_QUERY_KEY_VALUE} o_proj")},
    stated=(),
)  # fmt: skip
_GLM = Decoder(
    layer={**_ATTENTION, **_FUSED_GATE, **_BEFORE},
    switched={"attention_bias": (True, _QUERY_KEY_VALUE)},
    stated=("num_key_value_heads", "head_dim"),
)

DECODERS: Mapping[str, Decoder] = {
    "llama": _LLAMA,
    "granite": _LLAMA,
    "smollm3": replace(_LLAMA, stated=("num_key_value_heads",)),
    "arcee": replace(
        _LLAMA,
        layer={**_ATTENTION, **_UP_DOWN, **_BEFORE},
        switched={**_LLAMA.switched, "mlp_bias": (False, "up_proj down_proj")},
    ),
    "nemotron": replace(
        _LLAMA,
        layer={**_ATTENTION, **_UP_DOWN, **_BEFORE},
        biased="input_layernorm post_attention_layernorm norm",
        switched={**_LLAMA.switched, "mlp_bias": (False, "up_proj down_proj")},
        stated=("num_key_value_heads",),
    ),
    "mistral": _MISTRAL,
    "ministral": replace(_MISTRAL, stated=("num_key_value_heads", "head_dim")),
    "ministral3": replace(_MISTRAL, stated=("num_key_value_heads", "head_dim")),
    "cwm": replace(_MISTRAL, stated=("num_key_value_heads", "head_dim"), only={"mlp_bias": False}),
    "qwen2": replace(_MISTRAL, biased=_QUERY_KEY_VALUE),
    "qwen3": Decoder(
        layer={**_LLAMA.layer, **_HEAD_NORMS},
        switched={"attention_bias": (False, f"{_QUERY_KEY_VALUE} o_proj")},
        stated=("num_key_value_heads", "head_dim"),
    ),
    "seed_oss": Decoder(
        layer=_LLAMA.layer,
        switched={
            "attention_bias": (True, _QUERY_KEY_VALUE),
            "attention_out_bias": (False, "o_proj"),
            "mlp_bias": (False, _GATED_FFN),
        },
        stated=("num_key_value_heads", "head_dim"),
    ),
    "olmo": Decoder(
        layer={**_ATTENTION, **_GATED},
        outside={"model.embed_tokens": "vocabulary hidden", "lm_head": "vocabulary hidden"},
        switched={"attention_bias": (False, f"{_QUERY_KEY_VALUE} o_proj")},
        stated=(),
    ),
    "olmo2": _OLMO_2,
    "olmo3": _OLMO_2,
    "exaone4": Decoder(layer={**_ATTENTION, **_GATED, **_AFTER, **_HEAD_NORMS}),
    "glm": _GLM,
    "glm4": replace(
        _GLM, layer={**_GLM.layer, "post_self_attn_layernorm": "hidden", "post_mlp_layernorm": "hidden"}
    ),
    "phi3": Decoder(
        layer={
            "self_attn.qkv_proj": "query_key_value hidden", "self_attn.o_proj": "hidden query",
            **_FUSED_GATE, **_BEFORE,
        },
        stated=(),
    ),
    "phi": Decoder(
        layer={
            **{name: sizes for name, sizes in _ATTENTION.items() if not name.endswith("o_proj")},
            "self_attn.dense": "hidden query", "mlp.fc1": "inner hidden", "mlp.fc2": "hidden inner",
            "input_layernorm": "hidden",
        },
        outside={
            "model.embed_tokens": "vocabulary hidden",
            "model.final_layernorm": "hidden",
            "lm_head": "vocabulary hidden",
        },
        biased=f"{_QUERY_KEY_VALUE} dense fc1 fc2 input_layernorm final_layernorm lm_head",
        only={"qk_layernorm": False},
        stated=(),
    ),
    "stablelm": Decoder(
        layer=_LLAMA.layer,
        biased="input_layernorm post_attention_layernorm norm",
        switched={"use_qkv_bias": (False, _QUERY_KEY_VALUE)},
        only={"qk_layernorm": False, "use_parallel_residual": False},
    ),
    "starcoder2": Decoder(
        layer={**_ATTENTION, "mlp.c_fc": "inner hidden", "mlp.c_proj": "hidden inner", **_BEFORE},
        biased="input_layernorm post_attention_layernorm norm",
        switched={"use_bias": (True, f"{_QUERY_KEY_VALUE} o_proj c_fc c_proj")},
        only={"mlp_type": "default"},
    ),
    "gpt_neox": Decoder(
        layer={
            "attention.query_key_value": "query_key_value hidden", "attention.dense": "hidden query",
            "mlp.dense_h_to_4h": "inner hidden", "mlp.dense_4h_to_h": "hidden inner", **_BEFORE,
        },
        layers="gpt_neox.layers",
        outside={
            "gpt_neox.embed_in": "vocabulary hidden",
            "gpt_neox.final_layer_norm": "hidden",
            "lm_head": "vocabulary hidden",
        },
        biased="dense_h_to_4h dense_4h_to_h input_layernorm post_attention_layernorm final_layer_norm",
        switched={"attention_bias": (True, "query_key_value dense")},
        stated=(),
    ),
}  # fmt: skip
"""Model type -> its parameters. Every one with a head of its own; what ties it is not counted by headers."""


def parameters(config: Mapping[str, Any], facts: Facts) -> dict[str, Shape] | None:
    """{parameter: shape} of the class outside the layers and in the first; None where it takes building to know."""
    row = DECODERS.get(str(config.get("model_type")))
    known = sizes(facts)
    if row is None or known is None or not _is_as_described(config, row):
        return None
    modules = {**row.outside, **{f"{row.layers}.0.{name}": shape for name, shape in row.layer.items()}}
    biased = _biased(config, row)
    found: dict[str, Shape] = {}
    for path, dimensions in modules.items():
        shape = tuple(known[dimension] for dimension in dimensions.split())
        found[f"{path}.weight"] = shape
        if path.rpartition(".")[2] in biased:
            found[f"{path}.bias"] = shape[:1]
    return found


def sizes(facts: Facts) -> dict[str, int] | None:
    """Name -> elements of one dimension of a weight; None where facts are missing or say that there is more to it."""
    vocabulary, width, heads, kv_heads, head, inner = (
        *(facts.vocabulary, facts.hidden_size, facts.heads),
        *(facts.kv_heads, facts.head_dim, facts.ffn_width),
    )
    if facts.v_head_dim is not None or facts.experts:
        return None
    if not (vocabulary and width and heads and kv_heads and head and inner):
        return None
    query, key = heads * head, kv_heads * head
    return {
        "vocabulary": vocabulary,
        "hidden": width,
        "head": head,
        "query": query,
        "key": key,
        "query_key_value": query + 2 * key,
        "inner": inner,
        "gate_and_up": 2 * inner,
    }


def _is_as_described(config: Mapping[str, Any], row: Decoder) -> bool:
    return all(config.get(key) is not None for key in row.stated) and all(
        config.get(key, value) == value for key, value in row.only.items()
    )


def _biased(config: Mapping[str, Any], row: Decoder) -> set[str]:
    switched = (names for key, (default, names) in row.switched.items() if config.get(key, default))
    return {name for names in (row.biased, *switched) for name in names.split()}
