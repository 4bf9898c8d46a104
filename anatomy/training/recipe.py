"""Recipe: one training run as the user asked for it, complete, printable and readable again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from anatomy.errors import RecipeError

Method = Literal["full", "lora", "qlora"]
Precision = Literal["fp32", "bf16", "fp16", "bf16-mixed", "fp16-mixed"]
Attention = Literal["sdpa", "eager", "flash_attention_2"]
Checkpointing = Literal["off", "non-reentrant", "reentrant"]
LoadDType = Literal["fp32", "bf16", "fp16"]
QuantType = Literal["nf4", "fp4"]
ALL_LINEAR = "all-linear"
MOST_RANK = 2**16
"""Wider than any layer that is adapted."""
MOST_TOKENS = 2**31
"""Of one micro-batch; beyond it, a token's index no longer fits 32 bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What will be run. The defaults are the settings that people meet; the answer always states them."""

    method: Method = "lora"
    """What is trained: every weight, LoRA adapters, or LoRA adapters over a 4-bit base."""
    r: int = 16
    """Rank of the adapters (LoRA and QLoRA)."""
    alpha: int | None = None
    """LoRA's scaling numerator; None means twice the rank. Does not change memory."""
    dropout: float = 0.0
    """Dropout in front of the adapters."""
    target_modules: str | tuple[str, ...] = ALL_LINEAR
    """Which layers get adapters: 'all-linear', names (a tuple), or a regular expression (a string)."""
    quant_type: QuantType = "nf4"
    """4-bit code of a QLoRA base."""
    double_quant: bool = True
    """Whether the scales of a QLoRA base are quantized as well."""
    kbit_prepare: bool = False
    """QLoRA: call peft's `prepare_model_for_kbit_training`, which casts what is not quantized to fp32."""
    optimizer: str = "adamw_torch_fused"
    """A name of transformers' `OptimizerNames`, as in `TrainingArguments(optim=...)`."""
    precision: Precision = "bf16"
    """fp32, bf16, fp16: the dtype of the weights. bf16-mixed, fp16-mixed: fp32 weights under autocast."""
    load_dtype: LoadDType | None = None
    """dtype of the loaded weights where it is not the precision's: bf16 under bf16-mixed is a Trainer with
    `bf16=True` over a model loaded in bf16; None means what the precision says."""
    batch_size: int = 1
    """Sequences in one micro-batch on one device."""
    seq_len: int = 2048
    """Tokens in every sequence."""
    padded: bool = False
    """Whether some sequence is shorter and padded to `seq_len`: the model then needs an attention mask, which can
    lead to another attention kernel. Packed or equally long sequences need none."""
    grad_accum: int = 1
    """Micro-batches between two optimizer steps."""
    gradient_checkpointing: Checkpointing = "non-reentrant"
    """Whether each block's activations are dropped in forward and computed again in backward."""
    attn: Attention = "sdpa"
    """The model's attention implementation."""
    max_grad_norm: float = 1.0
    """Gradient clipping as the Trainer's `max_grad_norm`; 0 switches it off."""

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise RecipeError(
                    f"{name} is {getattr(self, name)!r}, which is not one of its values.",
                    hint=f"use one of: {', '.join(str(value) for value in allowed if value is not None)}",
                )
        self._check_numbers()
        if self.load_dtype is not None and self.autocast_dtype is None and self.load_dtype != self.precision:
            raise RecipeError(
                f"load_dtype {self.load_dtype!r} contradicts precision {self.precision!r}: without autocast, weights "
                "are computed with in the dtype they are loaded in.",
                hint="leave load_dtype out, or use a mixed precision",
            )
        if isinstance(self.target_modules, str) and self.target_modules != ALL_LINEAR:
            try:
                re.compile(self.target_modules)
            except re.error as error:
                raise RecipeError(
                    f"target_modules is {self.target_modules!r}, which is not a regular expression: {error}.",
                    hint=r"write one that matches whole paths, e.g. .*\.(q|v)_proj, or give a list of names",
                ) from error

    def _check_numbers(self) -> None:
        for name, lowest in _AT_LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= lowest:
                raise RecipeError(
                    f"{name} is {value}, but must be at least {lowest}.",
                    hint=f"the default is {_DEFAULTS[name]}",
                )
        if self.r > MOST_RANK:
            raise RecipeError(
                f"r is {self.r:,}, but must be at most {MOST_RANK:,}.",
                hint="a rank above a layer's width adds nothing; 8 to 256 are usual",
            )
        if self.batch_size * self.seq_len > MOST_TOKENS:
            raise RecipeError(
                f"{self.batch_size:,} sequences of {self.seq_len:,} tokens are more than the {MOST_TOKENS:,} tokens "
                "that one micro-batch may have.",
                hint="lower batch_size or seq_len; grad_accum makes a step of several micro-batches",
            )
        if not 0 <= self.dropout < 1:
            raise RecipeError(
                f"dropout is {self.dropout}, but must be at least 0 and below 1.",
                hint="0.05 and 0.1 are usual",
            )

    @property
    def uses_adapters(self) -> bool:
        """True when a PEFT method adds the trained parameters."""
        return self.method != "full"

    @property
    def quantized(self) -> bool:
        """True when the base weights are stored in 4 bits."""
        return self.method == "qlora"

    @property
    def autocast_dtype(self) -> str | None:
        """'bfloat16' or 'float16' under mixed precision, else None."""
        return {"bf16-mixed": "bfloat16", "fp16-mixed": "float16"}.get(self.precision)

    @property
    def weight_dtype(self) -> str:
        """torch's name of the dtype in which the model is loaded."""
        return {"bf16": "bfloat16", "fp16": "float16"}.get(self.load_dtype or self.precision, "float32")

    def to_dict(self) -> dict[str, Any]:
        """Every setting by name, JSON- and TOML-ready."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recipe":
        """The recipe that `to_dict` wrote. Raises RecipeError for a setting that does not exist."""
        known = {f.name for f in fields(cls)}
        for name in data:
            if name not in known:
                raise RecipeError(
                    f"{name!r} is not a setting of a recipe.", hint=f"known: {', '.join(known)}"
                )
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**values)


_CHOICES: dict[str, tuple[Any, ...]] = {
    "method": get_args(Method),
    "precision": get_args(Precision),
    "attn": get_args(Attention),
    "gradient_checkpointing": get_args(Checkpointing),
    "quant_type": get_args(QuantType),
    "load_dtype": (None, *get_args(LoadDType)),
}
_AT_LEAST: dict[str, int] = {
    **dict.fromkeys(("r", "alpha", "batch_size", "seq_len", "grad_accum"), 1),
    "max_grad_norm": 0,
}
_DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(Recipe)} | {"alpha": "twice r"}
