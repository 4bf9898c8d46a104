"""What the trainers have in common: precision, checkpointing, attention, padding, LoRA, optimizers."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, get_args

from anatomy.trainers.table import Caveat, Rule, Settings, Values, names, on, targets, text
from anatomy.training.choices import Attention
from anatomy.training.optimizers.names import optimizer_names
from anatomy.training.recipe import Recipe

_DTYPES = {
    "float32": "fp32", "fp32": "fp32", "bfloat16": "bf16", "bf16": "bf16", "float16": "fp16", "fp16": "fp16",
    "half": "fp16",
}  # fmt: skip
STORED = "bf16"
"""What `dtype="auto"`, transformers' default, stands for: the checkpoint's dtype, which no trainer's file tells."""
STORED_WORDS = "the weights are loaded in the checkpoint's own dtype, taken to be bf16 (--precision or --load-dtype say otherwise)"
_FLASH_2 = ("kernels-community/flash-attn2", "kernels-community/flash-attn", "flash_attention")


def dtype(value: Any) -> str:
    """A recipe's word for a dtype that is loaded: torch's name of it, or 'auto'."""
    return _DTYPES.get(str(value).removeprefix("torch."), STORED)


def precision(autocast: str | None, loaded: str) -> Settings:
    """A Trainer under `bf16=True` or `fp16=True` ('bf16', 'fp16', None) over weights loaded in `loaded`."""
    if autocast is None:
        return {"precision": loaded}
    mixed = {"precision": f"{autocast}-mixed"}
    return mixed if loaded == "fp32" else {**mixed, "load_dtype": loaded}


def autocast(values: Values, bf16: str = "bf16", fp16: str = "fp16") -> str | None:
    """'bf16' or 'fp16' where the trainer computes under autocast."""
    return "bf16" if on(values.get(bf16)) else "fp16" if on(values.get(fp16)) else None


def checkpointing(switched_on: bool, kwargs: Any, *, reentrant: bool = False) -> Settings:
    """Gradient checkpointing and its `gradient_checkpointing_kwargs`; `reentrant` where they do not say."""
    options = mapping(kwargs)
    kind = "reentrant" if on(options.get("use_reentrant", reentrant)) else "non-reentrant"
    every = {"checkpoint_every": options["every_n_layers"]} if options.get("every_n_layers") else {}
    offload = {"checkpoint_offload": True} if on(options.get("offload")) else {}
    return (
        {"gradient_checkpointing": kind, **every, **offload}
        if switched_on
        else {"gradient_checkpointing": "off"}
    )


def mapping(value: Any) -> Mapping[str, Any]:
    """Settings inside a key; Hugging Face's arguments also take them as JSON in a string."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def others_inside(key: str, read: Iterable[str], effect: str) -> Caveat:
    """What stands in a key beside the settings that are `read`, or that change nothing."""
    return Caveat(keys=(key,), effect=effect, when=lambda values: bool({*mapping(values.get(key))} - {*read}))


def other_checkpointing(key: str) -> Caveat:
    """Checkpoint arguments beside those that a recipe has: selective ones."""
    return others_inside(
        key,
        ("use_reentrant", "every_n_layers", "offload", "preserve_rng_state", "determinism_check"),
        "of it use_reentrant, every_n_layers and offload are read; what else is kept or computed again is not planned",
    )


def attention(value: Any) -> Settings:
    """An `attn_implementation`; nothing where it is another one than a recipe has."""
    name = "flash_attention_2" if value in _FLASH_2 else value
    return {"attn": name} if name in get_args(Attention) else {}


def other_attention(key: str) -> Caveat:
    """Attention implementations that a recipe does not have."""
    return Caveat(
        keys=(key,),
        effect=f"this attention implementation is not known; planned with {Recipe().attn}, whose kernels keep and need others",
        when=lambda values: on(values.get(key)) and not attention(values.get(key)),
    )


def eight_bits(keys: tuple[str, ...], asked_for: Callable[[Values], bool]) -> Rule:
    """bitsandbytes' LLM.int8() where it is asked for."""
    return Rule(keys=keys, settings=lambda values: {"quant_type": "int8"} if asked_for(values) else {})


def skipped(options: Mapping[str, Any]) -> Settings:
    """What bitsandbytes' config keeps from being quantized."""
    named = options.get("llm_int8_skip_modules")
    return {"quant_skip": tuple(names("llm_int8_skip_modules", named))} if named else {}


def padding(values: Values, batch: str, packed: bool) -> Settings:
    """Without packing, a batch of several sequences is padded to the longest of them."""
    return {"padded": not packed and values.get(batch) not in (1, "1")}


_known_optimizers = cache(optimizer_names)
"""Read in transformers' source once."""


def optimizer(key: str) -> tuple[Rule, Caveat]:
    """An optimizer by transformers' name; the others cannot be rehearsed."""

    def known(value: Any) -> bool:
        listed = _known_optimizers()
        return isinstance(value, str) and (listed is None or value in listed)

    def settings(values: Values) -> Settings:
        return {"optimizer": values[key]} if known(values.get(key)) else {}

    return Rule(keys=(key,), settings=settings), Caveat(
        keys=(key,),
        effect="transformers has no optimizer of this name: its states may be of another size than those of any that is planned in its place",
        when=lambda values: values.get(key) is not None and not known(values[key]),
        leaves_open="optimizer",
    )


def _arguments(values: Values) -> Settings:
    """`optim_args`: axolotl takes a mapping as well."""
    said = values.get("optim_args")
    if isinstance(said, Mapping):
        said = ",".join(f"{key}={value}" for key, value in said.items())
    return {"optim_args": text("optim_args", said)} if said else {}


def _projected(values: Values) -> Settings:
    said = values.get("optim_target_modules")
    if not said:
        return {}
    return {
        "optim_target_modules": "all-linear"
        if said == "all_linear"
        else targets("optim_target_modules", said)
    }


OPTIMIZER_ARGUMENTS = (
    Rule(keys=("optim_args",), settings=_arguments),
    Rule(keys=("optim_target_modules",), settings=_projected),
)
