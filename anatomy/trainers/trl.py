"""TRL's YAML or JSON: arguments of a trainer (SFTConfig, DPOConfig), and beside them those of its command line.

Schema, defaults and meaning: trl 1.16.0, `trainer/*_config.py` and `scripts/utils.py` (dataclasses),
`trainer/utils.py` (`get_peft_config`, `get_quantization_config`), `trainer/sft_trainer.py` (loss, casts).
"""

from anatomy.errors import RecipeError
from anatomy.trainers import training_arguments, trl_caveats
from anatomy.trainers.evaluation import assumed as evaluation_assumed
from anatomy.trainers.evaluation import by_arguments, evaluation
from anatomy.trainers.shared import (
    STORED_WORDS,
    attention,
    autocast,
    dtype,
    eight_bits,
    mapping,
    padding,
    precision,
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
    text,
)

_METHODS = {
    (False, False): "lora",
    (False, True): "dora",
    (True, False): "qlora",
    (True, True): "qdora",
}
"""(quantized, DoRA) -> method."""


def _method(values: Values) -> Settings:
    quantized = on(values.get("load_in_4bit")) or on(values.get("load_in_8bit"))
    if on(values.get("use_peft")):
        return {"method": _METHODS[quantized, on(values.get("use_dora"))]}
    if quantized:
        raise RecipeError(
            "load_in_4bit or load_in_8bit without use_peft: quantized weights cannot be trained.",
            hint="set use_peft: true",
        )
    return {"method": "full"}


def _precision(values: Values) -> Settings:
    """bf16 where nothing is said of fp16. The command line loads in fp32 where nothing is said of the dtype."""
    kind = autocast(values) if values.get("bf16") is not None or on(values.get("fp16")) else "bf16"
    return precision(kind, dtype(trl_caveats.loaded(values)))


def _code(values: Values) -> Settings:
    return {} if on(values.get("load_in_8bit")) else {"quant_type": values["bnb_4bit_quant_type"]}


def _adapter_dtype(values: Values) -> Settings:
    """Adapters over a quantized base are cast to bf16."""
    quantized = on(values.get("load_in_4bit")) or on(values.get("load_in_8bit"))
    return {"adapter_dtype": "bf16"} if quantized else {}


def _attention(values: Values) -> Settings:
    return attention(
        mapping(values.get("model_init_kwargs")).get("attn_implementation")
        or values.get("attn_implementation")
        or "sdpa"
    )


def _adapter(rule: Rule) -> Rule:
    """A rule that counts with adapters only."""
    return Rule(
        keys=rule.keys, settings=lambda values: rule.settings(values) if on(values.get("use_peft")) else {}
    )


def _targets(values: Values) -> Settings:
    """Left to PEFT's table where nothing is said."""
    said = values.get("lora_target_modules")
    if said is None:
        return {} if values.get("lora_target_parameters") else {"target_modules": "peft-default"}
    single = said[0] if isinstance(said, list) and len(said) == 1 else said
    return {"target_modules": targets("lora_target_modules", single)}


def _packed(values: Values) -> bool:
    return on(values.get("packing")) or on(values.get("padding_free"))


def _padding(values: Values) -> Settings:
    free = {"padding_free": True} if on(values.get("padding_free")) else {}
    return {**padding(values, "per_device_train_batch_size", _packed(values)), **free}


def _assumed(values: Values) -> tuple[str, ...]:
    found = []
    if trl_caveats.loaded(values) == "auto":
        found.append(STORED_WORDS)
    if _packed(values):
        found.append(
            "packed sequences are planned as one of the whole length: masks between them are not counted"
        )
    if "model_name_or_path" not in values and not on(values.get("use_peft")):
        found.append("the file is a trainer's without a model's: every weight is trained (--method)")
    return (*found, *evaluation_assumed(by_arguments(values)))


TRL = Trainer(
    kind="trl",
    name="TRL",
    version="trl 1.16.0",
    model="model_name_or_path",
    revision="model_revision",
    aliases={
        **training_arguments.ALIASES,
        "torch_dtype": "dtype",
        "max_seq_length": "max_length",
    },
    rules=(
        Rule(keys=("use_peft", "load_in_4bit", "load_in_8bit", "use_dora"), settings=_method),
        Rule(keys=("bf16", "fp16", "dtype", "model_init_kwargs"), settings=_precision),
        _adapter(same("lora_r", "r", integer)),
        _adapter(same("lora_alpha", "alpha", integer)),
        _adapter(same("lora_dropout", "dropout", number)),
        _adapter(Rule(keys=("lora_target_modules",), settings=_targets)),
        _adapter(of_peft("lora_target_parameters", "target_parameters")),
        _adapter(of_peft("lora_modules_to_save", "modules_to_save")),
        _adapter(of_peft("use_rslora", "use_rslora")),
        Rule(keys=("bnb_4bit_quant_type",), settings=_code),
        eight_bits(("load_in_8bit",), lambda values: on(values.get("load_in_8bit"))),
        Rule(keys=("load_in_4bit", "load_in_8bit"), settings=_adapter_dtype),
        same("bnb_4bit_quant_storage", "quant_storage", text),
        same("use_bnb_nested_quant", "double_quant", lambda key, value: on(value)),
        *training_arguments.BATCH,
        training_arguments.liger("use_liger_kernel", {"liger_kernels": True}),
        same("max_length", "seq_len", integer),
        Rule(keys=("packing", "padding_free"), settings=_padding),
        training_arguments.CHECKPOINTING,
        Rule(keys=("attn_implementation", "model_init_kwargs"), settings=_attention),
        evaluation(by_arguments),
    ),
    caveats=trl_caveats.CAVEATS,
    unimportant=trl_caveats.UNIMPORTANT,
    defaults={
        **{key: value for key, value in training_arguments.DEFAULTS.items() if key != "bf16"},
        "lora_r": 16,
        "lora_alpha": 32,
        "lora_dropout": 0.05,
        "bnb_4bit_quant_type": "nf4",
        "use_bnb_nested_quant": False,
        "max_length": 1024,
        "gradient_checkpointing": True,
    },
    assumed=_assumed,
)
