"""`anatomy compare`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from anatomy.cli.completion import complete_gpu, complete_model
from anatomy.cli.config_options import check_model, config_from_flags, of_the_run
from anatomy.cli.files import check_files
from anatomy.cli.options import GroupedCommand, model_options, output_options
from anatomy.cli.output import answer, chosen_format
from anatomy.cli.progress import working
from anatomy.cli.recipe_options import recipe_options, settings_from_flags
from anatomy.planning.axes import DEFAULTS
from anatomy.render import Format

Function = TypeVar("Function", bound=Callable[..., Any])

_AXES: dict[str, tuple[str, str]] = {
    "methods": ("method", "What is trained."),
    "optimizers": ("optimizer", "Names as in TrainingArguments(optim=...)."),
    "precisions": ("precision", "As --precision."),
    "quant_types": ("quant_type", "Codes of quantized bases, as --quant-type."),
    "checkpointing_values": (
        "gradient_checkpointing",
        "Gradient checkpointing: on, off, reentrant, non-reentrant.",
    ),
}
"""Parameter -> the setting that it varies, and its help."""


def _axis_options(function: Function) -> Function:
    """One option for each."""
    for name, (setting, text) in reversed(_AXES.items()):
        flag = "--checkpointing" if name == "checkpointing_values" else f"--{name.replace('_', '-')}"
        usual = f"  [default: {','.join(DEFAULTS[setting])}]" if setting in DEFAULTS else ""
        option = click.option(flag, name, callback=_listed, metavar="A,B", help=text + usual)
        function = option(function)
    return function


def _listed(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(part.strip() for part in value.split(",") if part.strip())


@click.command("compare", cls=GroupedCommand, epilog="MODEL: a model hub's id, a folder or a config.json.")
@click.argument("model", required=False, shell_complete=complete_model)
@_axis_options
@recipe_options
@click.option(
    "--gpu",
    metavar="NAME",
    shell_complete=complete_gpu,
    help="Say what fits on this GPU; `anatomy gpus` lists them.",
)
@click.option("--check", is_flag=True, help="With --gpu: exit with 1 when none of the runs fits.")
@model_options
@output_options
def command(
    model: str | None,
    gpu: str | None,
    check: bool,
    overrides: tuple[str, ...],
    no_progress: bool,
    format_: Format | None,
    as_json: bool,
    output: str | None,
    **flags: Any,
) -> None:
    """\b
      anatomy compare meta-llama/Llama-3.1-8B
      anatomy compare meta-llama/Llama-3.1-8B --gpu "RTX 4090" --methods lora,qlora,dora
      anatomy compare ./my-model --method full --optimizers adamw_torch,adafactor --checkpointing on,off

    Methods, optimizers and precisions side by side: what each needs, where its peak is, where it fits.

    Every combination is compared; the other options are the same in all runs, where they mean something.
    """
    ctx = click.get_current_context()
    axes = {name: flags.pop(name) for name in _AXES}
    config = config_from_flags(flags)
    varied = {_AXES[name][0] for name, values in axes.items() if values}
    base, given, in_file = settings_from_flags(flags, config, varied)
    check_model(model, config)
    if check and gpu is None:
        raise click.UsageError("--check needs --gpu NAME: the GPU that a run has to fit.", ctx=ctx)

    form = chosen_format(format_, as_json, output)
    from anatomy import api
    from anatomy.report.compare import compare_document

    check_files(ctx, {"-o": output})
    with working(show=not no_progress) as progress:
        found = api.compare(
            model,
            **{name.removesuffix("_values"): values for name, values in axes.items()},
            recipe=base,
            chosen=in_file,
            gpu=gpu,
            **of_the_run(flags, config, overrides, progress),
            **given,
        )
        records = api.frame_records(api.frame(found))
    answer(compare_document(found, records), form, output)
    if check and not found.fitting:
        ctx.exit(1)
