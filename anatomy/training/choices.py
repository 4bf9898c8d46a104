"""The values that a recipe's settings can have, where they are a choice."""

from typing import Any, Literal, get_args

from anatomy.training.losses.kinds import LOSSES
from anatomy.training.peft_types import METHODS

Precision = Literal["fp32", "bf16", "fp16", "bf16-mixed", "fp16-mixed"]
Attention = Literal["sdpa", "eager", "flash_attention_2"]
RecurrentKernels = Literal["installed", "torch", "fused"]
Checkpointing = Literal["off", "non-reentrant", "reentrant"]
LoadDType = Literal["fp32", "bf16", "fp16"]
Objective = Literal["sft", "dpo"]
Reference = Literal["auto", "model", "precomputed"]
QuantType = Literal["nf4", "fp4", "int8"]
QuantStorage = Literal["uint8", "bfloat16", "float16", "float32"]
KbitPrepare = Literal["off", "peft", "trl"]
AdapterDType = Literal["peft", "base", "bf16"]
_BLOCK_SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
"""What bitsandbytes 0.50 takes (functional.quantize_4bit)."""
CHOICES: dict[str, tuple[Any, ...]] = {
    "method": tuple(METHODS),
    "precision": get_args(Precision),
    "attn": get_args(Attention),
    "recurrent_kernels": get_args(RecurrentKernels),
    "loss": tuple(LOSSES),
    "objective": get_args(Objective),
    "dpo_reference": get_args(Reference),
    "gradient_checkpointing": get_args(Checkpointing),
    "quant_type": get_args(QuantType),
    "quant_block_size": _BLOCK_SIZES,
    "quant_storage": get_args(QuantStorage),
    "kbit_prepare": get_args(KbitPrepare),
    "adapter_dtype": get_args(AdapterDType),
    "load_dtype": (None, *get_args(LoadDType)),
}
"""Setting -> its values."""
