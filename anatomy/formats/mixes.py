"""The mixes of tensor types that llama.cpp's quantizer makes of a file type: its rules as a table.

Source: llama.cpp, src/llama-quant.cpp: `llama_ftype_get_default_type`, `llama_tensor_get_type_impl`,
`tensor_type_fallback`, as of 2026, without an importance matrix.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a tensor stands among those of its role."""

    index: int
    """How many of them come before it."""
    count: int
    """How many there are."""
    grouped: int
    """Query heads that share a key and value head."""


def uses_more_bits(at: Place) -> bool:
    """`use_more_bits`: the first and the last eighth of the layers, and every third between."""
    eighth = at.count // 8
    return at.index < eighth or at.index >= 7 * at.count // 8 or (at.index - eighth) % 3 == 2


WHEN: dict[str, Callable[[Place], bool]] = {
    "always": lambda at: True,
    "first 2": lambda at: at.index < 2,
    "first 4": lambda at: at.index < 4,
    "first eighth": lambda at: at.index < at.count // 8,
    "first sixteenth": lambda at: at.index < at.count // 16,
    "more bits": uses_more_bits,
    "grouped": lambda at: at.grouped >= 4,
}
"""Condition of a rule -> whether it holds."""

Rules = tuple[tuple[str, str], ...]
"""(condition, type), the first that holds; the mix's own type where none does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mix:
    """One file type."""

    name: str
    default: str
    """The type of every tensor for which there is no rule."""
    rules: Mapping[str, Rules] = field(default_factory=dict)
    """Role -> rules."""
    eight_experts_output: bool = False
    """Whether the output projections of attention become Q5_K in a model of eight experts."""
    falcon: Mapping[str, Rules] = field(default_factory=dict)
    """The rules that stand in their place for llama.cpp's architecture 'falcon'."""


def _always(kind: str) -> Rules:
    return (("always", kind),)


MIXES: tuple[Mix, ...] = (
    Mix(
        name="Q2_K",
        default="Q2_K",
        rules={
            "attn_v": (("grouped", "Q4_K"), ("always", "Q3_K")),
            "ffn_down": _always("Q3_K"),
            "attn_output": _always("Q3_K"),
        },
        eight_experts_output=True,
        falcon={"attn_output": ()},
    ),
    Mix(name="Q3_K_S", default="Q3_K", eight_experts_output=True),
    Mix(
        name="Q3_K_M",
        default="Q3_K",
        rules={
            "attn_v": (("first 2", "Q5_K"), ("always", "Q4_K")),
            "ffn_down": (("first sixteenth", "Q5_K"), ("always", "Q4_K")),
            "attn_output": _always("Q4_K"),
        },
        eight_experts_output=True,
        falcon={"ffn_down": (("first sixteenth", "Q5_K"), ("more bits", "Q4_K")), "attn_output": ()},
    ),
    Mix(
        name="Q3_K_L",
        default="Q3_K",
        rules={role: _always("Q5_K") for role in ("attn_v", "ffn_down", "attn_output")},
        falcon={"ffn_down": _always("Q4_K"), "attn_output": _always("Q4_K")},
    ),
    Mix(name="Q4_0", default="Q4_0"),
    Mix(name="Q4_1", default="Q4_1"),
    Mix(
        name="Q4_K_S",
        default="Q4_K",
        rules={"attn_v": (("first 4", "Q5_K"),), "ffn_down": (("first eighth", "Q5_K"),)},
        eight_experts_output=True,
        falcon={"ffn_down": ()},
    ),
    Mix(
        name="Q4_K_M",
        default="Q4_K",
        rules=dict.fromkeys(("attn_v", "ffn_down"), (("more bits", "Q6_K"),)),
        eight_experts_output=True,
        falcon={"ffn_down": (("first sixteenth", "Q6_K"), ("more bits", "Q5_K"))},
    ),
    Mix(name="Q5_0", default="Q5_0"),
    Mix(name="Q5_1", default="Q5_1"),
    Mix(name="Q5_K_S", default="Q5_K"),
    Mix(
        name="Q5_K_M",
        default="Q5_K",
        rules=dict.fromkeys(("attn_v", "ffn_down"), (("more bits", "Q6_K"),)),
    ),
    Mix(name="Q6_K", default="Q6_K"),
    Mix(name="Q8_0", default="Q8_0"),
    Mix(name="F16", default="F16"),
)
"""The file types, from few bits to many."""

EIGHT_EXPERTS: Mapping[str, str] = {"attn_v": "Q8_0", "attn_k": "Q8_0"}
"""Role -> its type in any quantized file of a model of exactly eight experts."""
SEVENTY_B: Mapping[str, str] = {"Q3_K": "Q5_K", "Q4_K": "Q5_K"}
"""What the value projections' type becomes in models of the 70B kind."""

FALLBACK: Mapping[str, str] = {
    "Q2_K": "Q4_0",
    "Q3_K": "Q4_0",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
"""The type of a tensor whose rows are no multiple of 256; F16 where they are none of 32 either."""
