"""LLaMA-Factory's YAML, key by key.

Schema, defaults and meaning: llamafactory 0.9.5, `hparams/` (dataclasses), `model/adapter.py` (what is trained, casts),
`model/model_utils/checkpointing.py`, `attention.py` and `quantization.py`. Its training arguments extend transformers'.
"""

from anatomy.errors import RecipeError
from anatomy.trainers import llamafactory_caveats, training_arguments
from anatomy.trainers.evaluation import assumed as evaluation_assumed
from anatomy.trainers.evaluation import by_arguments, evaluation
from anatomy.trainers.shared import (
    STORED,
    STORED_WORDS,
    autocast,
    checkpointing,
    eight_bits,
    padding,
    precision,
)
from anatomy.trainers.table import (
    Rule,
    Settings,
    Trainer,
    Values,
    integer,
    names,
    number,
    of_peft,
    on,
    same,
    targets,
)

_METHODS = {"full": "full", "freeze": "last-n", "lora": "lora", "oft": "oft"}
_QUANTIZED = {"lora": "qlora", "dora": "qdora"}
_ATTENTION = {"auto": "sdpa", "sdpa": "sdpa", "disabled": "eager", "off": "eager", "fa2": "flash_attention_2"}
"""`auto` leaves it to transformers. YAML reads a bare `off` as false."""


def _method(values: Values) -> Settings:
    kind = str(values["finetuning_type"])
    if kind not in _METHODS:
        raise RecipeError(
            f"finetuning_type is {kind!r}, which LLaMA-Factory does not know.",
            hint=f"use one of: {', '.join(_METHODS)}",
        )
    method = "dora" if kind == "lora" and on(values.get("use_dora")) else _METHODS[kind]
    if llamafactory_caveats.bits(values) is None:
        return {"method": method}
    if kind in ("full", "freeze"):
        raise RecipeError(
            f"quantization_bit with finetuning_type {kind}, which LLaMA-Factory refuses.",
            hint="use lora or oft, or leave quantization_bit out",
        )
    return {"method": "qpeft", "peft_type": "OFT"} if kind == "oft" else {"method": _QUANTIZED[method]}


def _code(values: Values) -> Settings:
    return {} if llamafactory_caveats.bits(values) == 8 else {"quant_type": values["quantization_type"]}


def _storage(values: Values) -> Settings:
    """4-bit weights are stored in the dtype that is computed in, for FSDP."""
    computed_in = "bf16" if on(values.get("pure_bf16")) else autocast(values) or STORED
    return {"quant_storage": {"bf16": "bfloat16", "fp16": "float16"}[computed_in]}


def _precision(values: Values) -> Settings:
    """Weights come in the checkpoint's dtype; those that are trained are cast to fp32, but for `pure_bf16`."""
    if on(values.get("pure_bf16")):
        return precision(autocast(values), "bf16")
    loaded = "fp32" if values["finetuning_type"] == "full" else STORED
    return precision(autocast(values), loaded)


def _only(kind: str, rule: Rule) -> Rule:
    """A rule that counts with one type of fine-tuning."""
    return Rule(
        keys=rule.keys,
        settings=lambda values: rule.settings(values) if values["finetuning_type"] == kind else {},
    )


def _alpha(values: Values) -> Settings:
    """Left out, or 0: twice the rank."""
    said = values.get("lora_alpha")
    return {"alpha": integer("lora_alpha", said) if said else 2 * integer("lora_rank", values["lora_rank"])}


def _targets(key: str) -> Rule:
    def settings(values: Values) -> Settings:
        named = names(key, values[key])
        return {"target_modules": "all-linear" if named == ["all"] else targets(key, named)}

    return Rule(keys=(key,), settings=settings)


def _oft(values: Values) -> Settings:
    rank = integer("oft_rank", values["oft_rank"])
    size = integer("oft_block_size", values["oft_block_size"])
    return {"peft": {"r": rank, "oft_block_size": 0 if rank else size}}


def _checkpointing(values: Values) -> Settings:
    switched_on = not on(values.get("disable_gradient_checkpointing"))
    settings = checkpointing(switched_on, {"use_reentrant": values["use_reentrant_gc"]})
    return {**settings, "checkpoint_offload": True} if on(values.get("use_unsloth_gc")) else settings


def _attention(values: Values) -> Settings:
    value = values["flash_attn"]
    kind = _ATTENTION.get("disabled" if value is False else str(value))
    return {} if kind is None else {"attn": kind}


def _freeze(values: Values) -> Settings:
    extra = names("freeze_extra_modules", values.get("freeze_extra_modules") or [])
    blocks = abs(integer("freeze_trainable_layers", values["freeze_trainable_layers"]))
    return {"last_n": blocks, "train_head": "lm_head" in extra}


def _packed(values: Values) -> bool:
    return on(values.get("packing", values.get("stage") == "pt")) or on(values.get("neat_packing"))


def _padding(values: Values) -> Settings:
    return padding(values, "per_device_train_batch_size", _packed(values))


def _evaluates(values: Values) -> bool:
    return by_arguments(values) and not llamafactory_caveats.is_dpo(values)


def _assumed(values: Values) -> tuple[str, ...]:
    found = [STORED_WORDS] if values["finetuning_type"] != "full" or on(values.get("pure_bf16")) else []
    if _packed(values):
        found.append(
            "packed sequences are planned as one of the whole length: masks between them are not counted"
        )
    return (*found, *evaluation_assumed(_evaluates(values)))


LLAMAFACTORY = Trainer(
    kind="llamafactory",
    name="LLaMA-Factory",
    version="llamafactory 0.9.5",
    model="model_name_or_path",
    revision="model_revision",
    aliases=training_arguments.ALIASES,
    rules=(
        Rule(
            keys=("finetuning_type", "quantization_bit", "quantization_method", "use_dora"), settings=_method
        ),
        Rule(keys=("bf16", "fp16", "pure_bf16"), settings=_precision),
        _only("lora", same("lora_rank", "r", integer)),
        _only("lora", Rule(keys=("lora_alpha",), settings=_alpha)),
        _only("lora", same("lora_dropout", "dropout", number)),
        _only("lora", _targets("lora_target")),
        _only("lora", of_peft("use_rslora", "use_rslora")),
        _only("oft", _targets("oft_target")),
        _only("oft", Rule(keys=("oft_block_size", "oft_rank"), settings=_oft)),
        _only("oft", of_peft("module_dropout", "module_dropout")),
        of_peft("additional_target", "modules_to_save"),
        _only("freeze", Rule(keys=("freeze_trainable_layers", "freeze_extra_modules"), settings=_freeze)),
        Rule(keys=("quantization_type",), settings=_code),
        Rule(keys=("bf16", "fp16", "pure_bf16"), settings=_storage),
        eight_bits(("quantization_bit",), lambda values: llamafactory_caveats.bits(values) == 8),
        same("double_quantization", "double_quant", lambda key, value: on(value)),
        *training_arguments.BATCH,
        training_arguments.liger("enable_liger_kernel", training_arguments.LIGER_WITH_ITS_LOSS),
        training_arguments.liger("use_liger_kernel", training_arguments.LIGER_WITH_ITS_LOSS),
        Rule(
            keys=("stage", "pref_loss"),
            settings=lambda values: {"objective": "dpo"} if llamafactory_caveats.is_dpo(values) else {},
        ),
        same("cutoff_len", "seq_len", integer),
        Rule(keys=("packing", "neat_packing"), settings=_padding),
        Rule(
            keys=("disable_gradient_checkpointing", "use_reentrant_gc", "use_unsloth_gc"),
            settings=_checkpointing,
        ),
        Rule(keys=("flash_attn",), settings=_attention),
        evaluation(_evaluates),
    ),
    caveats=llamafactory_caveats.CAVEATS,
    unimportant=llamafactory_caveats.UNIMPORTANT,
    defaults={
        **training_arguments.DEFAULTS,
        "finetuning_type": "lora",
        "lora_rank": 8,
        "lora_dropout": 0.0,
        "lora_target": "all",
        "oft_target": "all",
        "oft_rank": 0,
        "oft_block_size": 32,
        "freeze_trainable_layers": 2,
        "quantization_type": "nf4",
        "double_quantization": True,
        "cutoff_len": 2048,
        "use_reentrant_gc": True,
        "flash_attn": "auto",
    },
    assumed=_assumed,
)
