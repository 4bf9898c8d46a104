"""Recipe: one training run as the user asked for it, complete, printable and readable again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from anatomy.errors import RecipeError
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
from anatomy.training.peft_types import ALL_LINEAR, METHODS, PEFT_TYPES, PeftType, own_defaults
from anatomy.training.recipe_checks import check, no_setting


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What will be run. The defaults are the settings that people meet; the answer always states them."""

    method: str = "lora"
    """What is trained. `peft` and `qpeft` train adapters of the type that `peft_type` names."""
    peft_type: str | None = None
    """The type of adapters of the methods `peft` and `qpeft`: a name of PEFT's `PeftType`."""
    peft: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Further settings of the adapters, by their names in PEFT's config of the type; they win over the others."""
    r: int = 16
    """Rank of the adapters, where they have one."""
    alpha: int | None = None
    """LoRA's scaling numerator; None means twice the rank. Does not change memory."""
    dropout: float = 0.0
    """Dropout in front of the adapters."""
    target_modules: str | tuple[str, ...] = ALL_LINEAR
    """Which layers get adapters: 'all-linear', 'peft-default' (what PEFT's table names for the model's type), names, or
    a regular expression for whole paths."""
    last_n: int = 2
    """Blocks that the method `last-n` trains, counted from the end; 0 for the head alone."""
    train_head: bool = True
    """Whether the method `last-n` trains the head; a tied head is the embedding as well."""
    bottleneck: int = 64
    """Width of the adapters of the methods `houlsby` and `pfeiffer`."""
    add_tokens: int = 0
    """Tokens added to the vocabulary: rows of the embedding and of the head, by the model's own resizing."""
    quant_type: QuantType = "nf4"
    """Code of a quantized base: nf4 and fp4 in 4 bits, int8 as LLM.int8() (arXiv:2208.07339)."""
    double_quant: bool = True
    """Whether the scales of a 4-bit base are quantized as well."""
    quant_block_size: int = 64
    """Weights of a 4-bit base that share a scale; transformers' own loading knows 64 only."""
    quant_storage: QuantStorage = "uint8"
    """dtype in which a 4-bit base is stored: the same bytes, but FSDP shards only what has one dtype."""
    quant_skip: tuple[str, ...] = ()
    """Modules that stay dense in a quantized base, as `llm_int8_skip_modules`; when empty, those that transformers
    keeps: the head and tied weights."""
    kbit_prepare: KbitPrepare = "off"
    """Quantized base: 'peft' calls peft's `prepare_model_for_kbit_training`, which casts what is not quantized to
    fp32; 'trl' lets TRL's `peft_module_casting_to_bf16` follow once the adapters are there. True means 'peft'."""
    adapter_dtype: AdapterDType = "peft"
    """'peft': 16-bit adapters are cast to fp32, as PEFT does on its own. 'base': they keep the base's dtype
    (`autocast_adapter_dtype=False`). 'bf16': they are cast to bf16, as TRL's trainers do over a quantized base."""
    dequantize: bool | None = None
    """A checkpoint that is quantized already: whether its weights are dequantized as they are loaded, as transformers'
    `dequantize=True` does. None: only where transformers could not train over them otherwise."""
    optimizer: str = "adamw_torch_fused"
    """A name of transformers' `OptimizerNames`, as in `TrainingArguments(optim=...)`."""
    optim_args: str | None = None
    """Settings of the optimizer as 'key=value,key=value', as in `TrainingArguments(optim_args=...)`."""
    optim_target_modules: str | tuple[str, ...] | None = None
    """Modules whose gradients GaLore and APOLLO project: 'all-linear', a regular expression, or parts of names,
    as in `TrainingArguments(optim_target_modules=...)`."""
    optimizer_in_backward: bool = False
    """Whether every parameter has an optimizer of its own, stepped as soon as its gradient is there, which then goes:
    torchtune's `optimizer_in_bwd`. No Trainer does it; it leaves nothing to clip or to accumulate."""
    weight_decay: float = 0.0
    """As the Trainer's `weight_decay`: not on biases and norms. Above 0, SGD, Adagrad and RMSprop add it to a copy of
    the gradients."""
    precision: Precision = "bf16"
    """fp32, bf16, fp16: the dtype of the weights. bf16-mixed, fp16-mixed: fp32 weights under autocast."""
    load_dtype: LoadDType | None = None
    """dtype of the loaded weights where it is not the precision's: bf16 under bf16-mixed is a Trainer with
    `bf16=True` over a model loaded in bf16; None means what the precision says."""
    batch_size: int = 1
    """Sequences in one micro-batch on one device."""
    seq_len: int = 2048
    """Tokens in every sequence."""
    images: int | None = None
    """Images beside the text of a sequence, or clips of sound, where the model takes them; 0 for text alone. None: one."""
    image_size: tuple[int, int] | None = None
    """Height and width in pixels of an image as it reaches the model's own image processor; None for the size that its
    checkpoint's preprocessor_config.json, or else the config, states."""
    audio_seconds: float | None = None
    """Seconds of sound as it reaches the feature extractor; None for its own window."""
    padded: bool = False
    """Whether some sequence is shorter and padded to `seq_len`: the model then needs an attention mask, which can
    lead to another attention kernel. Packed or equally long sequences need none."""
    grad_accum: int = 1
    """Micro-batches between two optimizer steps."""
    gradient_checkpointing: Checkpointing = "non-reentrant"
    """Whether each block's activations are dropped in forward and computed again in backward."""
    checkpoint_every: int = 1
    """Only every so many blocks are checkpointed; the others keep their activations."""
    checkpoint_offload: bool = False
    """Whether what a checkpoint keeps, its block's input, waits in the host's memory."""
    padding_free: bool = False
    """Whether the sequences of a micro-batch come as one long row, told apart by their positions alone."""
    attn: Attention = "sdpa"
    """The model's attention implementation."""
    recurrent_kernels: RecurrentKernels = "installed"
    """What runs the recurrences of state space models and linear attention. installed: what transformers finds here;
    torch: its own functions; fused: the kernels of mamba-ssm and causal-conv1d, whether they are here or not."""
    loss: str = "stock"
    """How the loss is computed. stock: the model's own; chunked: torchtune's; liger: Liger's fused linear
    cross-entropy; cut: cut-cross-entropy; trl: the fused head of TRL's SFTTrainer."""
    liger_kernels: bool = False
    """Whether norms, rotary embeddings and MLPs are Liger's. With loss liger, the Trainer's `use_liger_kernel`."""
    objective: Objective = "sft"
    """sft: the loss of the labels. dpo: TRL's DPOTrainer, whose `batch_size` counts pairs of sequences; with loss trl
    as trl 1.16 takes it, with loss stock from all the logits."""
    dpo_reference: Reference = "auto"
    """Where DPO's reference comes from. auto: the model without its adapters, or where it has none a copy of it;
    model: always a copy; precomputed: TRL's `precompute_ref_log_probs`, no pass at all."""
    label_smoothing: float = 0.0
    """As the Trainer's `label_smoothing_factor`: above 0, its LabelSmoother computes the loss from the logits."""
    max_grad_norm: float = 1.0
    """Gradient clipping as the Trainer's `max_grad_norm`; 0 switches it off."""

    eval_batches: int = 0
    """Batches of an evaluation between steps; 0 for none."""
    eval_batch_size: int = 8
    """Sequences in each of them, as `per_device_eval_batch_size`."""
    eval_keep_logits: bool = False
    """Whether logits and labels of all of them are kept, as the Trainer keeps them for `compute_metrics`."""
    eval_accumulation_steps: int | None = None
    """Batches after which what is kept moves to the host; None: after the last, as in the Trainer."""

    def __post_init__(self) -> None:
        if isinstance(self.kbit_prepare, bool):  # as recipes were written before there was a choice
            object.__setattr__(self, "kbit_prepare", "peft" if self.kbit_prepare else "off")
        check(self)

    def __repr__(self) -> str:
        said = ((f.name, getattr(self, f.name)) for f in fields(self))
        usual = {f.name: f.default for f in fields(self)} | {"peft": {}}
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value in said if value != usual[name])})"

    @property
    def trains_loaded(self) -> bool:
        """Whether what is trained has the dtype in which it was loaded."""
        dense = self.uses_adapters and self.adapter_dtype == "base" and not self.quantized
        return dense or self.method in ("full", "last-n", "bitfit")

    @property
    def uses_adapters(self) -> bool:
        """True when a PEFT method adds the trained parameters."""
        return self.adapter_type is not None

    @property
    def adapter_type(self) -> str | None:
        """The PEFT type that is trained, e.g. 'LORA'; None without adapters."""
        return self.peft_type or METHODS[self.method].peft_type

    @property
    def adapter(self) -> PeftType | None:
        """What is known of the PEFT type that is trained; None without adapters."""
        return PEFT_TYPES.get(self.adapter_type or "")

    @property
    def peft_options(self) -> dict[str, Any]:
        """Fields of the adapter's config: what its type needs, what the method's name says, what was asked for."""
        needed = {} if self.adapter is None else self.adapter.options
        return {**needed, **METHODS[self.method].options, **self.peft}

    @property
    def copies_reference(self) -> bool:
        """Whether DPO needs a second model on the device."""
        without = {"auto": not self.uses_adapters, "model": True, "precomputed": False}
        return self.objective == "dpo" and without[self.dpo_reference]

    @property
    def virtual_tokens(self) -> int:
        """Tokens that the adapters put before every sequence; 0 for most."""
        is_prompt = self.adapter is not None and self.adapter.is_prompt
        return int(self.peft_options.get("num_virtual_tokens") or 0) if is_prompt else 0

    @property
    def quantized(self) -> bool:
        """True when bitsandbytes packs the base weights as they are loaded."""
        return METHODS[self.method].quantized

    @property
    def quant_bits(self) -> int:
        """Bits of a packed base weight."""
        return 8 if self.quant_type == "int8" else 4

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
        values["peft"] = dict(self.peft)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recipe":
        """The recipe that `to_dict` wrote; settings left out have the method's defaults.

        Raises RecipeError, with everything that is wrong: settings that do not exist, impossible values.
        """
        known = [f.name for f in fields(cls)]
        wrong = [no_setting(name, known) for name in data if name not in known]
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known
        }
        try:
            recipe = cls(**{**own_defaults(data.get("method"), data.get("peft_type")), **values})
        except RecipeError as error:
            raise RecipeError.together([*wrong, error]) from None
        if wrong:
            raise RecipeError.together(wrong)
        return recipe
