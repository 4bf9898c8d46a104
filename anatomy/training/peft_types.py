"""PEFT's types of adapters, and what a recipe's settings are called in each one's configuration. A table; no imports.

The names are the fields of peft 0.21's config classes (of one that it has no more, 0.18's); a test holds every row against the installed ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALL_LINEAR = "all-linear"
"""As target modules: every linear layer but the head, as PEFT finds them."""
PEFT_DEFAULT = "peft-default"
"""As target modules: those that PEFT's own table names for the model's type."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeftType:
    """One type of adapter. A setting without a field here means nothing for it."""

    r: str | None = None
    """The field that takes the recipe's rank."""
    own_rank: int | None = None
    """The rank that stands for one left out, where PEFT's own default is no LoRA's (8)."""
    alpha: str | None = None
    """The field that takes the scaling numerator."""
    dropout: str | None = None
    """The field that takes a dropout in front of the adapters."""
    targets: str | None = ALL_LINEAR
    """What target modules left out stand for; None where the type adapts no module of its choice."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the type cannot do without, with usual values."""
    is_prompt: bool = False
    """True where virtual tokens are put before the sequence or its keys and values: the type acts on a task."""
    takes_tasks: bool = False
    """True where the batch has to say to which task each sequence belongs."""
    initialised_on: str = ""
    """The device on which PEFT makes the adapters before it moves them, where that matters: indices that stay on the
    host, or values that decide a size."""
    package: str | None = None
    """What pip installs that the adapters are made with, beside PEFT."""
    note: str = ""
    """What the answer has to say about a rehearsal of it."""
    refused: str = ""
    """Why it cannot be rehearsed: the end of a sentence that names what is missing."""


_PROMPT: dict[str, Any] = {
    "targets": None,
    "is_prompt": True,
    "options": {"num_virtual_tokens": 20},
    "initialised_on": "cpu",
}
_LORA: dict[str, Any] = {"r": "r", "alpha": "lora_alpha", "dropout": "lora_dropout"}

PEFT_TYPES: Mapping[str, PeftType] = {
    "ADALORA": PeftType(
        r="init_r",
        alpha="lora_alpha",
        dropout="lora_dropout",
        options={"total_step": 10_000},
        note="AdaLoRA prunes ranks between steps; the first steps, with every rank there, are rehearsed",
    ),
    "ADAMSS": PeftType(
        r="r", own_rank=100, package="scikit-learn"
    ),  # which clusters the weights' singular vectors
    "ADAPTION_PROMPT": PeftType(targets=PEFT_DEFAULT, options={"adapter_len": 10, "adapter_layers": 1}),
    "BEFT": PeftType(targets=PEFT_DEFAULT),
    "BOFT": PeftType(dropout="boft_dropout", initialised_on="cpu"),  # its permutations, number by number
    "BONE": PeftType(r="r", own_rank=64),  # of peft before 0.20, which calls it MiSS
    "C3A": PeftType(),
    "CARTRIDGE": PeftType(**_PROMPT),
    "CPT": PeftType(
        **_PROMPT, refused="it projects its prompt by values that it has learned (boolean masks as indices)"
    ),
    "DEFT": PeftType(r="r", alpha="alpha", dropout="deft_dropout"),
    "DELORA": PeftType(r="r"),
    "FOURIERFT": PeftType(initialised_on="cpu"),
    "FROD": PeftType(
        dropout="frod_dropout", refused="it decomposes the weights themselves, which are not read here"
    ),
    "GLORA": PeftType(r="r"),
    "GRALORA": PeftType(r="r", own_rank=32, alpha="alpha", dropout="gralora_dropout"),
    "HIRA": PeftType(r="r", own_rank=32, dropout="hira_dropout"),
    "HRA": PeftType(r="r"),
    "IA3": PeftType(targets=PEFT_DEFAULT),
    "LILY": PeftType(r="r", own_rank=32),
    "LN_TUNING": PeftType(targets=PEFT_DEFAULT),
    "LOHA": PeftType(r="r", alpha="alpha"),
    "LOKR": PeftType(r="r", alpha="alpha"),
    "LORA": PeftType(**_LORA),
    "MISS": PeftType(r="r", own_rank=64, dropout="miss_dropout"),
    "MULTITASK_PROMPT_TUNING": PeftType(**_PROMPT, takes_tasks=True),
    "OFT": PeftType(),
    "OSF": PeftType(),
    "PEANUT": PeftType(r="r", own_rank=32),
    "POLY": PeftType(r="r", takes_tasks=True),
    "PREFIX_TUNING": PeftType(**_PROMPT),
    "PROMPT_TUNING": PeftType(**_PROMPT),
    "PSOFT": PeftType(r="r", own_rank=32, alpha="psoft_alpha", dropout="psoft_dropout"),
    "PVERA": PeftType(r="r", own_rank=256, dropout="pvera_dropout"),
    "P_TUNING": PeftType(**_PROMPT),
    "RANDLORA": PeftType(r="r", own_rank=32, alpha="randlora_alpha", dropout="randlora_dropout"),
    "ROAD": PeftType(),
    "SHADOW": PeftType(r="r", dropout="shadow_dropout", targets=PEFT_DEFAULT),
    "SHIRA": PeftType(r="r", own_rank=32, refused="it adds sparse tensors, whose blocks no recorder sees"),
    "SUPERTUNING": PeftType(),
    "TINYLORA": PeftType(r="r", own_rank=2, dropout="tinylora_dropout"),
    "TRAINABLE_TOKENS": PeftType(targets=PEFT_DEFAULT),
    "UNILORA": PeftType(r="r", own_rank=4, dropout="unilora_dropout", initialised_on="cpu"),
    "VBLORA": PeftType(r="r", own_rank=4, dropout="vblora_dropout"),
    "VERA": PeftType(r="r", own_rank=256, dropout="vera_dropout"),
    "WAVEFT": PeftType(initialised_on="cpu"),
    "XLORA": PeftType(targets=None, refused="it mixes LoRA adapters that have been trained before"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A named way to train."""

    peft_type: str | None = None
    """A key of `PEFT_TYPES`; None where PEFT is not used, or where the recipe names the type."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the type's config that make the method what its name says."""
    quantized: bool = False
    """Whether the base is stored in 4 bits."""
    generic: bool = False
    """Whether the recipe's `peft_type` says what is trained."""


METHODS: Mapping[str, Method] = {
    "full": Method(),
    "last-n": Method(),
    "bitfit": Method(),
    "houlsby": Method(),
    "pfeiffer": Method(),
    "lora": Method(peft_type="LORA"),
    "qlora": Method(peft_type="LORA", quantized=True),
    "rslora": Method(peft_type="LORA", options={"use_rslora": True}),
    "dora": Method(peft_type="LORA", options={"use_dora": True}),
    "qdora": Method(peft_type="LORA", options={"use_dora": True}, quantized=True),
    "adalora": Method(peft_type="ADALORA"),
    "loha": Method(peft_type="LOHA"),
    "lokr": Method(peft_type="LOKR"),
    "gralora": Method(peft_type="GRALORA"),
    "randlora": Method(peft_type="RANDLORA"),
    "vera": Method(peft_type="VERA"),
    "vblora": Method(peft_type="VBLORA"),
    "miss": Method(peft_type="MISS"),
    "hra": Method(peft_type="HRA"),
    "oft": Method(peft_type="OFT"),
    "boft": Method(peft_type="BOFT"),
    "road": Method(peft_type="ROAD"),
    "fourierft": Method(peft_type="FOURIERFT"),
    "ia3": Method(peft_type="IA3"),
    "ln-tuning": Method(peft_type="LN_TUNING"),
    "trainable-tokens": Method(peft_type="TRAINABLE_TOKENS"),
    "prompt-tuning": Method(peft_type="PROMPT_TUNING"),
    "prefix-tuning": Method(peft_type="PREFIX_TUNING"),
    "p-tuning": Method(peft_type="P_TUNING"),
    "peft": Method(generic=True),
    "qpeft": Method(generic=True, quantized=True),
}
"""Name -> what it trains. `peft` and `qpeft` (over a 4-bit base) train the type that the recipe names."""


def own_defaults(method: str | None, peft_type: str | None) -> dict[str, Any]:
    """Settings of a recipe whose value, when left out, is the method's own rather than LoRA's."""
    named = METHODS.get(method or "", Method())
    row = PEFT_TYPES.get((peft_type if named.generic else named.peft_type) or "", PeftType())
    defaults: dict[str, Any] = {"r": row.own_rank, "target_modules": row.targets}
    return {name: value for name, value in defaults.items() if value is not None}
