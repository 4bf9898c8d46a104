"""The flags that make a recipe. Their defaults and choices are the Recipe's own; none is repeated here."""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from anatomy.cli.adapter_options import adapter_settings
from anatomy.cli.completion import complete_optimizer
from anatomy.cli.config_options import config_from_flags
from anatomy.errors import RecipeError, SourceError
from anatomy.planning.reading import Reading
from anatomy.planning.settings import make_recipe, recipe_from_toml
from anatomy.trainers.kinds import KINDS
from anatomy.training.choices import CHOICES
from anatomy.training.peft_types import ALL_LINEAR, PEFT_DEFAULT
from anatomy.training.precisions import UNMODELLED
from anatomy.training.recipe import Recipe

Function = TypeVar("Function", bound=Callable[..., Any])

_TYPES: dict[str, Any] = {
    **{
        name: click.Choice([value for value in values if value is not None])
        for name, values in CHOICES.items()
    },
    **dict.fromkeys(
        (
            "r",
            "alpha",
            "last_n",
            "bottleneck",
            "add_tokens",
            "checkpoint_every",
            "quant_block_size",
            "batch_size",
            "seq_len",
            "grad_accum",
            "eval_batches",
            "eval_batch_size",
            "eval_accumulation_steps",
            "images",
        ),
        click.INT,
    ),
    **dict.fromkeys(
        ("dropout", "max_grad_norm", "weight_decay", "label_smoothing", "audio_seconds"), click.FLOAT
    ),
}


class _Precision(click.Choice[str]):
    """A precision; those that no rehearsal runs pass, to be refused by the recipe in a sentence of its own."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value in UNMODELLED else super().convert(value, param, ctx)


class _Size(click.ParamType[tuple[int, int]]):
    """'448x672' (height by width), or '448' for a square."""

    name = "HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d{1,5})(?:[x×](\d{1,5}))?", str(value))
        if found is None:
            self.fail(
                f"{value!r} is no size: write a height and a width in pixels, e.g. 448x672.", param, ctx
            )
        return int(found[1]), int(found[2] or found[1])


_TYPES["image_size"] = _Size()
_TYPES["precision"] = _Precision(CHOICES["precision"])
_VALUES: dict[str, str] = {
    "method": "What is trained: every weight, or adapters. peft, qpeft: the adapters that --peft-type names.",
    "bottleneck": "Width of the adapters of --method houlsby or pfeiffer.",
    "add_tokens": "Tokens added to the vocabulary.",
    "last_n": "Blocks that --method last-n trains, counted from the end.",
    "r": "Rank of the adapters.",
    "alpha": "LoRA's scaling numerator; twice the rank when left out.",
    "dropout": "Dropout in front of the adapters.",
    "quant_type": "Code of a quantized base: nf4 and fp4 in 4 bits, int8 as LLM.int8().",
    "quant_block_size": "Weights of a 4-bit base that share a scale.",
    "quant_storage": "dtype in which a 4-bit base is stored, for FSDP; the same bytes.",
    "kbit_prepare": "Quantized base: cast the rest to fp32 as peft's prepare_model_for_kbit_training does, or trl.",
    "adapter_dtype": "peft: adapters in fp32; base: in the base's dtype; bf16: as TRL over a quantized base.",
    "optimizer": "A name as in TrainingArguments(optim=...); `anatomy optimizers` lists them.",
    "optim_args": "Settings of the optimizer, as in TrainingArguments: key=value,key=value.",
    "weight_decay": "As in TrainingArguments: not on biases and norms.",
    "precision": "Dtype of the weights; '-mixed' is fp32 weights under autocast.",
    "load_dtype": "Dtype of the loaded weights under autocast: bf16 with bf16-mixed is a Trainer with bf16=True.",
    "batch_size": "Sequences in a micro-batch.",
    "seq_len": "Tokens in a sequence; fewer where the model takes fewer and none is chosen.",
    "images": "Images, or clips of sound, beside a sequence's text, where the model takes them; 0: text alone.",
    "image_size": "Height and width of an image in pixels; the checkpoint's or the config's own when left out.",
    "audio_seconds": "Seconds of sound; the feature extractor's own window when left out.",
    "grad_accum": "Micro-batches between two optimizer steps.",
    "attn": "Attention implementation.",
    "checkpoint_every": "Checkpoint only every so many blocks.",
    "recurrent_kernels": "State space models and linear attention: as the packages installed here, in torch, or fused.",
    "loss": "How the loss is computed; chunked is torchtune's, the last three have packages of their own.",
    "objective": "sft, or dpo as TRL's DPOTrainer: --batch-size counts pairs.",
    "dpo_reference": "DPO's reference: the model without its adapters or a copy, a copy, or numbers from before.",
    "label_smoothing": "As label_smoothing_factor in TrainingArguments.",
    "max_grad_norm": "Gradient clipping; 0 switches it off.",
    "eval_batches": "Batches of an evaluation between steps; 0 for none.",
    "eval_batch_size": "Sequences in each of them, as per_device_eval_batch_size.",
    "eval_accumulation_steps": "As in TrainingArguments: batches after which what is kept moves to the host.",
}
_SWITCHES: dict[str, str] = {
    "optimizer_in_backward": "One optimizer a parameter, stepped in backward: no gradients are kept.",
    "train_head": "Whether --method last-n trains the head.",
    "dequantize": "Quantized checkpoint: dequantize its weights at loading; by default only where it must be.",
    "double_quant": "Quantize the scales of a 4-bit base as well.",
    "liger_kernels": "Liger's norms, rotary embeddings and MLPs; its loss is --loss liger.",
    "checkpoint_offload": "What checkpoints keep waits in the host's memory.",
    "eval_keep_logits": "Keep the logits of all batches, as the Trainer does for compute_metrics.",
    "padding_free": "The sequences of a micro-batch come as one long row, without padding.",
    "padded": "Sequences are padded to the longest, which takes an attention mask.",
}


def recipe_options(function: Function) -> Function:
    """All of them."""
    options: list[Callable[[Any], Any]] = []
    for name, text in _VALUES.items():
        options.append(
            click.option(
                _flag(name),
                name,
                type=_TYPES.get(name),
                help=text + _default(name),
                shell_complete=complete_optimizer if name == "optimizer" else None,
            )
        )
    for name, text in _SWITCHES.items():
        flags = f"{_flag(name)}/{_flag(name).replace('--', '--no-', 1)}"
        options.append(click.option(flags, name, default=None, help=text + _default(name)))
    options += [
        click.option(
            "--target-modules", metavar="NAMES",
            help="Layers that get adapters: all-linear, peft-default, or names with commas." + _default("target_modules"),
        ),
        click.option("--target-regex", metavar="REGEX", help="The same, by their whole paths."),
        click.option(
            "--optim-target-modules", metavar="NAMES",
            help="Layers that GaLore and APOLLO project: all-linear, or parts of names with commas.",
        ),
        click.option(
            "--quant-skip", metavar="NAMES",
            help="Modules that stay dense in a quantized base, with commas; instead of the head and tied weights.",
        ),
        click.option("--peft-type", metavar="TYPE", help="Any of PEFT's types of adapters, e.g. VERA or OFT."),
        click.option(
            "--peft", "peft_settings", multiple=True, metavar="KEY=VALUE",
            help="A setting of the adapters, by its name in PEFT's config. Can be repeated.",
        ),
        click.option("--peft-config", metavar="FILE", help="Both from an adapter_config.json."),
        click.option(
            "--gradient-checkpointing/--no-gradient-checkpointing", "checkpointing", default=None,
            help="Compute each block's activations again in backward.  [default: on, where the model can]",
        ),
        click.option(
            "--reentrant/--non-reentrant", default=None,
            help="Kind of checkpoint." + _default("gradient_checkpointing"),
        ),
        click.option(
            "--lengths", metavar="FILE",
            help="Tokens of the dataset's examples, one number a line: plans the longest batch, cut to --seq-len.",
        ),
        click.option("--recipe", "recipe_file", metavar="FILE", help="Settings as TOML; flags win over them."),
        click.option(
            "--config", "config_file", metavar="FILE",
            help="A trainer's own file, which can name MODEL: axolotl, LLaMA-Factory, TRL, TrainingArguments, accelerate.",
        ),
        click.option("--config-kind", type=click.Choice(KINDS), help="Whose file --config is; told by its keys when left out."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def recipe_from_flags(
    flags: Mapping[str, Any], config: Reading | None = None
) -> tuple[Recipe, frozenset[str]]:
    """The recipe that was asked for, and the settings that were chosen, by a flag or in the file.

    `config`: what --config names, where it has been read already. Raises RecipeError, SourceError (no such file), UsageError.
    """
    base, given, in_file = settings_from_flags(flags, config)
    return make_recipe(given, base), frozenset((*given, *in_file))


def settings_from_flags(
    flags: Mapping[str, Any], config: Reading | None = None, beside: Collection[str] = ()
) -> tuple[Recipe, dict[str, Any], frozenset[str]]:
    """The file's recipe (else the defaults), the settings that flags give, and the names of those that the file gives.

    `config` and errors as for `recipe_from_flags`; `beside`: settings that other flags choose.
    """
    file = flags["recipe_file"]
    text = "" if file is None else _read(file)
    config = config or config_from_flags(flags)
    base = recipe_from_toml(text) if config is None else config.recipe
    given = {name: flags[name] for name in (*_VALUES, *_SWITCHES) if flags[name] is not None}
    given |= _targets(flags["target_modules"], flags["target_regex"])
    given |= _projected(flags["optim_target_modules"])
    given |= _skipped(flags["quant_skip"])
    given = adapter_settings(flags["peft_type"], flags["peft_settings"], flags["peft_config"], given, base)
    given |= _checkpointing(flags["checkpointing"], flags["reentrant"], base)
    if config is not None:
        config.check_chosen({*given, *beside})
    return base, given, frozenset(tomllib.loads(text) if config is None else config.given)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _default(name: str) -> str:
    value = getattr(Recipe(), name)
    words = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
    return "" if value is None else f"  [default: {words}]"


def _targets(names: str | None, regex: str | None) -> dict[str, Any]:
    if names is not None and regex is not None:
        raise click.UsageError(
            "--target-modules and --target-regex contradict each other.", ctx=click.get_current_context()
        )
    if regex is not None:
        _check_regex(regex)
        return {"target_modules": regex}
    if names is None:
        return {}
    listed = tuple(name.strip() for name in names.split(",") if name.strip())
    if not listed:
        raise click.UsageError("--target-modules names nothing.", ctx=click.get_current_context())
    return {"target_modules": listed[0] if listed in _KEYWORDS else listed}


def _projected(names: str | None) -> dict[str, Any]:
    if names is None:
        return {}
    return {"optim_target_modules": _targets(names, None)["target_modules"]}


def _skipped(names: str | None) -> dict[str, Any]:
    listed = tuple(name.strip() for name in (names or "").split(",") if name.strip())
    return {"quant_skip": listed} if listed else {}


_KEYWORDS = ((ALL_LINEAR,), (PEFT_DEFAULT,))


def _check_regex(regex: str) -> None:
    try:
        re.compile(regex)
    except re.error as error:
        raise RecipeError(
            f"--target-regex {regex!r} is not a regular expression: {error}.",
            hint=r"it has to match whole paths, e.g. --target-regex '.*\.(q|v)_proj'",
        ) from None


def _checkpointing(on: bool | None, reentrant: bool | None, base: Recipe) -> dict[str, Any]:
    if on is False and reentrant is not None:
        raise click.UsageError(
            "--no-gradient-checkpointing leaves no checkpoint to be reentrant or not.",
            ctx=click.get_current_context(),
        )
    if on is False:
        return {"gradient_checkpointing": "off"}
    if reentrant is not None:
        return {"gradient_checkpointing": "reentrant" if reentrant else "non-reentrant"}
    if on:
        kind = base.gradient_checkpointing
        return {"gradient_checkpointing": Recipe().gradient_checkpointing if kind == "off" else kind}
    return {}


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SourceError(
            f"The recipe {file} cannot be read: {reason}.",
            hint="`anatomy plan --print-recipe -o FILE` writes one",
        ) from error
