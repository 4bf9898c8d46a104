"""The settings of a recipe as keyword arguments, so that editors and type checkers know them."""

from collections.abc import Mapping
from typing import Any, TypedDict

from anatomy.training.choices import (
    AdapterDType,
    Attention,
    Checkpointing,
    KbitPrepare,
    LoadDType,
    Objective,
    Precision,
    QuantStorage,
    QuantType,
    RecurrentKernels,
    Reference,
)


class Settings(TypedDict, total=False):
    """Any of a recipe's settings by name; what each means, and its default, stands in `anatomy.training.recipe.Recipe`.

    `anatomy.plan(model, method="qlora", r=64)`. A wrapper of one's own is typed by `**settings: Unpack[anatomy.Settings]`.
    """

    method: str
    peft_type: str | None
    peft: Mapping[str, Any]
    r: int
    alpha: int | None
    dropout: float
    target_modules: str | tuple[str, ...]
    last_n: int
    train_head: bool
    bottleneck: int
    add_tokens: int
    quant_type: QuantType
    double_quant: bool
    quant_block_size: int
    quant_storage: QuantStorage
    quant_skip: tuple[str, ...]
    kbit_prepare: KbitPrepare
    adapter_dtype: AdapterDType
    dequantize: bool | None
    optimizer: str
    optim_args: str | None
    optim_target_modules: str | tuple[str, ...] | None
    optimizer_in_backward: bool
    weight_decay: float
    precision: Precision
    load_dtype: LoadDType | None
    batch_size: int
    seq_len: int
    images: int | None
    image_size: tuple[int, int] | None
    audio_seconds: float | None
    padded: bool
    grad_accum: int
    gradient_checkpointing: Checkpointing
    checkpoint_every: int
    checkpoint_offload: bool
    padding_free: bool
    attn: Attention
    recurrent_kernels: RecurrentKernels
    loss: str
    liger_kernels: bool
    objective: Objective
    dpo_reference: Reference
    label_smoothing: float
    max_grad_norm: float
    eval_batches: int
    eval_batch_size: int
    eval_keep_logits: bool
    eval_accumulation_steps: int | None
