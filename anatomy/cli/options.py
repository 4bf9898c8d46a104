"""Options that several commands share, each declared once."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from anatomy.render import FORMATS

Function = TypeVar("Function", bound=Callable[..., Any])


_GROUPS: dict[str, tuple[str, ...]] = {
    "Compared": ("methods", "optimizers", "precisions", "quant_types", "checkpointing_values"),
    "Method and precision": (
        *("method", "precision", "load_dtype", "last_n", "train_head", "bottleneck", "add_tokens"),
    ),
    "Adapters": (
        *("r", "alpha", "dropout", "target_modules", "target_regex", "adapter_dtype"),
        *("peft_type", "peft_settings", "peft_config"),
    ),
    "Quantized base": (
        *("quant_type", "double_quant", "quant_block_size", "quant_storage", "quant_skip", "kbit_prepare"),
        "dequantize",
    ),
    "Batch": (
        *("batch_size", "seq_len", "grad_accum", "padded", "padding_free", "lengths"),
        *("images", "image_size", "audio_seconds", "inputs"),
    ),
    "Optimizer": (
        *("optimizer", "optim_args", "optim_target_modules", "weight_decay", "max_grad_norm"),
        "optimizer_in_backward",
    ),
    "Loss and kernels": (
        *("loss", "label_smoothing", "objective", "dpo_reference", "attn", "recurrent_kernels"),
        "liger_kernels",
    ),
    "Checkpointing": ("checkpointing", "reentrant", "checkpoint_every", "checkpoint_offload"),
    "Evaluation": ("eval_batches", "eval_batch_size", "eval_keep_logits", "eval_accumulation_steps"),
    "Files": ("recipe_file", "config_file", "config_kind", "print_recipe", "export", "export_predicted"),
    "Run": ("weights", "steps", "warmup", "device", "save", "open_"),
    "GPU": ("gpu", "check"),
    "Model": ("revision", "token", "offline", "overrides", "trust_remote_code"),
    "Output": ("depth", "by_module", "plot", "format_", "as_json", "output", "no_progress"),
}
"""Heading in the help -> parameters under it, both in the order in which they stand there."""
_OWN = "Options"
"""The heading of what stands under none of these."""
_LAST = {"Output": ("help",)}
"""Heading -> what every command has at its end."""


class GroupedCommand(click.Command):
    """A command whose help lists its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options by heading, those that stand under none first."""
        for heading, options in self.grouped(ctx).items():
            with formatter.section(heading):
                formatter.write_dl([record for option in options if (record := option.get_help_record(ctx))])

    def grouped(self, ctx: click.Context) -> dict[str, list[click.Option]]:
        """Heading -> the options under it, in the order of the help; headings without options are left out."""
        known = {
            "help" if "--help" in option.opts else option.name or "": option
            for option in self.get_params(ctx)
            if isinstance(option, click.Option) and not option.hidden
        }
        under = {name for names in _GROUPS.values() for name in names}
        own = [name for name in known if name not in under and name != "help"]
        headings = {_OWN: own} | {h: [*names, *_LAST.get(h, ())] for h, names in _GROUPS.items()}
        found = {h: [known[name] for name in names if name in known] for h, names in headings.items()}
        return {heading: options for heading, options in found.items() if options}


def stack(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several decorators as one; the first stands first in the help."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def format_options(function: Function) -> Function:
    """--format, --json."""
    return stack(
        click.option(
            "--format", "format_", type=click.Choice(FORMATS), help="How to answer.  [default: table]"
        ),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
    )(function)


def output_options(function: Function) -> Function:
    """--format, --json, -o."""
    return stack(
        format_options,
        click.option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the answer to a file; .json, .csv, .md and .html choose the format.",
        ),
    )(function)


def plot_option(what: str) -> Callable[[Function], Function]:
    """--plot. `what`: what is drawn, as the end of a sentence."""
    text = f"Also draw {what}, as a .png, .svg or .pdf file."
    return click.option("--plot", metavar="FILE", help=text)


MODEL_FLAGS = ("revision", "trust_remote_code")
"""Options of `model_options` that the library's verbs take under the same names."""


def _use_token(ctx: click.Context, _: click.Parameter, token: str | None) -> None:
    if token is not None:
        from anatomy.source.access import as_owner_of

        ctx.with_resource(as_owner_of(token))


def _stay_offline(ctx: click.Context, _: click.Parameter, offline: bool) -> None:
    if offline:
        from anatomy.source.access import without_network

        ctx.with_resource(without_network())


def model_options(function: Function) -> Function:
    """MODEL and how to read it."""
    return stack(
        click.option("--revision", metavar="NAME", help="Branch, tag or commit of a hub's model."),
        click.option(
            "--token",
            metavar="TOKEN",
            expose_value=False,
            callback=_use_token,
            help="Ask the hub with this token; HF_TOKEN and `hf auth login` keep it off the command line.",
        ),
        click.option(
            "--offline",
            is_flag=True,
            expose_value=False,
            callback=_stay_offline,
            help="Ask no hub: answer from this machine.",
        ),
        click.option(
            "--set",
            "overrides",
            metavar="KEY=VALUE",
            multiple=True,
            help="Set a fact of the config, e.g. num_hidden_layers=4. Repeatable; dots reach nested configs.",
        ),
        click.option(
            "--trust-remote-code",
            is_flag=True,
            help="Run the model repository's own code. Read it first.",
        ),
        click.option("--no-progress", is_flag=True, help="No spinner."),
    )(function)


def parse_overrides(texts: tuple[str, ...]) -> dict[str, Any]:
    """('hidden_size=64', ...) -> {'hidden_size': 64, ...}. Raises SourceError for what sets nothing."""
    from anatomy.source import parse_override

    return dict(parse_override(text) for text in texts)
