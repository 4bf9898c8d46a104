"""axolotl's YAML, key by key.

Schema, defaults and meaning: axolotl 0.19.0, `axolotl/utils/schemas/` (pydantic models), `utils/config` (`resolve_dtype`),
`loaders/model.py` (quantization, casts), `loaders/adapter.py` (LoRA), `core/builders/` (arguments of the Trainer).
"""

from anatomy.errors import RecipeError
from anatomy.trainers.axolotl_caveats import CAVEATS, evaluates, int8, offloads_checkpoints
from anatomy.trainers.axolotl_unimportant import UNIMPORTANT
from anatomy.trainers.evaluation import assumed as evaluation_assumed
from anatomy.trainers.evaluation import evaluation
from anatomy.trainers.shared import (
    OPTIMIZER_ARGUMENTS,
    attention,
    checkpointing,
    eight_bits,
    mapping,
    optimizer,
    precision,
    skipped,
)
from anatomy.trainers.table import (
    Rule,
    Settings,
    Trainer,
    Values,
    integer,
    number,
    of_peft,
    on,
    same,
    targets,
)

_FLAGS = {
    "xformers_attention": "xformers",
    "sage_attention": "sage",
    "flex_attention": "flex_attention",
    "flash_attention": "flash_attention_2",
    "sdp_attention": "sdpa",
    "eager_attention": "eager",
}
"""Switches of older files -> attention implementations, the first one that is on counts."""


def _method(values: Values) -> Settings:
    adapter = values.get("adapter")
    if adapter is None:
        return {"method": "full"}
    if adapter not in ("lora", "qlora"):
        raise RecipeError(
            f"adapter is {adapter!r}, which is none of axolotl's own.",
            hint="use lora, qlora, or leave it out",
        )
    if adapter == "qlora" and not on(values.get("load_in_4bit")):
        raise RecipeError(
            "adapter is qlora without load_in_4bit, which axolotl refuses.", hint="set load_in_4bit: true"
        )
    method = "qlora" if int8(values) else adapter
    return {"method": _DORA[method] if on(values.get("peft_use_dora")) else method}


_DORA = {"lora": "dora", "qlora": "qdora"}


def _adapter(rule: Rule) -> Rule:
    """A rule that counts with an adapter only."""
    return Rule(
        keys=rule.keys,
        settings=lambda values: {} if values.get("adapter") is None else rule.settings(values),
    )


def _targets(values: Values) -> Settings:
    if on(values.get("lora_target_linear")):
        return {"target_modules": "all-linear"}
    named = values.get("lora_target_modules")
    return {} if not named else {"target_modules": targets("lora_target_modules", named)}


def _precision(values: Values) -> Settings:
    """`resolve_dtype`, on a GPU that has bf16."""
    bf16, fp16 = values.get("bf16"), on(values.get("fp16"))
    if bf16 == "auto":
        bf16 = not fp16
    is_bf16 = on(bf16) or on(values.get("bfloat16"))
    is_fp16 = fp16 or on(values.get("float16")) or on(values.get("load_in_8bit"))
    loaded = "bf16" if is_bf16 else "fp16" if is_fp16 else "fp32"
    under_autocast = (on(bf16) and bf16 != "full") or (on(values.get("bfloat16")) and bf16 != "full")
    return precision("bf16" if under_autocast else "fp16" if fp16 and not is_bf16 else None, loaded)


def _quantization(values: Values) -> Settings:
    if int8(values):
        return {}
    options = {
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_quant_storage": "bfloat16",
        **mapping(values.get("bnb_config_kwargs")),
    }
    return {
        "quant_type": options["bnb_4bit_quant_type"],
        "double_quant": on(options["bnb_4bit_use_double_quant"]),
        "quant_storage": str(options["bnb_4bit_quant_storage"]).removeprefix("torch."),
        **skipped(options),
    }


def _adapter_dtype(values: Values) -> Settings:
    return {"adapter_dtype": "base"} if values.get("peft_autocast_adapter_dtype") is False else {}


def _checkpointing(values: Values) -> Settings:
    kind = values.get("gradient_checkpointing")
    settings = checkpointing(on(kind), values.get("gradient_checkpointing_kwargs"))
    return {**settings, "checkpoint_offload": True} if offloads_checkpoints(values) else settings


def _loss(values: Values) -> Settings:
    return {"loss": "chunked-compiled"} if on(values.get("chunked_cross_entropy")) else {}


def _accumulation(values: Values) -> Settings:
    if (said := values.get("gradient_accumulation_steps")) is not None:
        return {"grad_accum": integer("gradient_accumulation_steps", said)}
    if (total := values.get("batch_size")) is not None:
        micro = integer("micro_batch_size", values.get("micro_batch_size", 1))
        return {"grad_accum": max(1, integer("batch_size", total) // max(1, micro))}
    return {"grad_accum": 1}


def _attention(values: Values) -> Settings:
    flags = [kind for flag, kind in _FLAGS.items() if on(values.get(flag))]
    return attention(values.get("attn_implementation") or next(iter(flags), "sdpa"))


def _padding(values: Values) -> Settings:
    packed, whole = on(values.get("sample_packing")), on(values.get("pad_to_sequence_len"))
    several = values.get("micro_batch_size") not in (1, "1")
    return {"padded": not packed and (whole or several)}


def _evaluates(values: Values) -> bool:
    return evaluates(values) and not on(values.get("rl"))


def _evaluation(values: Values) -> Settings:
    """Batches are of the size of training's where nothing else is said."""
    size = values.get("eval_batch_size") or values.get("micro_batch_size")
    return evaluation(_evaluates, _EVALUATION).settings({**values, "eval_batch_size": size})


_EVALUATION = (
    "val_set_size",
    "test_datasets",
    "eval_strategy",
    "eval_batch_size",
    "eval_accumulation_steps",
)


def _assumed(values: Values) -> tuple[str, ...]:
    found = []
    if values.get("bf16") == "auto":
        found.append("bf16: auto is bf16, as on any GPU that has it")
    if on(values.get("sample_packing")):
        found.append(
            "packed sequences are planned as one of the whole length: masks between them are not counted"
        )
    if on(values.get("lora_target_linear")) and values.get("lora_target_modules"):
        found.append("what lora_target_modules names beside lora_target_linear is taken to be linear layers")
    return (*found, *evaluation_assumed(_evaluates(values)))


_OPTIMIZER, _OTHER_OPTIMIZER = optimizer("optimizer")

AXOLOTL = Trainer(
    kind="axolotl",
    name="axolotl",
    version="axolotl 0.19.0",
    model="base_model",
    revision="revision_of_model",
    overrides=("overrides_of_model_config",),
    aliases={
        "model_config": "overrides_of_model_config",
        "model_kwargs": "overrides_of_model_kwargs",
        "model_type": "type_of_model",
        "model_revision": "revision_of_model",
        "evaluation_strategy": "eval_strategy",
        "max_seq_len": "sequence_len",
    },
    rules=(
        Rule(keys=_EVALUATION, settings=_evaluation),
        Rule(keys=("adapter", "load_in_4bit", "load_in_8bit", "peft_use_dora"), settings=_method),
        Rule(keys=("bf16", "fp16", "bfloat16", "float16"), settings=_precision),
        _adapter(same("lora_r", "r", integer)),
        _adapter(same("lora_alpha", "alpha", integer)),
        _adapter(same("lora_dropout", "dropout", number)),
        _adapter(Rule(keys=("lora_target_linear", "lora_target_modules"), settings=_targets)),
        _adapter(of_peft("lora_target_parameters", "target_parameters")),
        _adapter(of_peft("lora_modules_to_save", "modules_to_save")),
        _adapter(of_peft("lora_rank_pattern", "rank_pattern")),
        _adapter(of_peft("lora_alpha_pattern", "alpha_pattern")),
        _adapter(of_peft("peft_use_rslora", "use_rslora")),
        _adapter(of_peft("peft_layers_to_transform", "layers_to_transform")),
        _adapter(of_peft("peft_layers_pattern", "layers_pattern")),
        _adapter(of_peft("peft_trainable_token_indices", "trainable_token_indices")),
        _adapter(of_peft("peft_ensure_weight_tying", "ensure_weight_tying")),
        _adapter(Rule(keys=("peft_autocast_adapter_dtype",), settings=_adapter_dtype)),
        Rule(keys=("bnb_config_kwargs",), settings=_quantization),
        eight_bits(("load_in_8bit",), int8),
        same("micro_batch_size", "batch_size", integer),
        Rule(keys=("gradient_accumulation_steps", "batch_size"), settings=_accumulation),
        same("sequence_len", "seq_len", integer),
        Rule(keys=("sample_packing", "pad_to_sequence_len"), settings=_padding),
        Rule(keys=("rl",), settings=lambda values: {"objective": "dpo"} if values.get("rl") == "dpo" else {}),
        Rule(keys=("chunked_cross_entropy",), settings=_loss),
        _OPTIMIZER,
        *OPTIMIZER_ARGUMENTS,
        same("weight_decay", "weight_decay", number),
        same("max_grad_norm", "max_grad_norm", number),
        Rule(
            keys=("gradient_checkpointing", "gradient_checkpointing_kwargs", "activation_offloading"),
            settings=_checkpointing,
        ),
        Rule(keys=("attn_implementation", *_FLAGS), settings=_attention),
    ),
    caveats=(*CAVEATS, _OTHER_OPTIMIZER),
    unimportant=UNIMPORTANT,
    defaults={
        "bf16": "auto",
        "lora_dropout": 0.0,
        "micro_batch_size": 1,
        "sequence_len": 512,
        "optimizer": "adamw_torch_fused",
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "gradient_checkpointing": False,
    },
    assumed=_assumed,
)
