"""`anatomy compare`."""

from typing import Any

import click

from anatomy.cli.axis_options import axes_from_flags, axis_options
from anatomy.cli.completion import complete_gpu, complete_model
from anatomy.cli.config_options import check_model, config_from_flags, of_the_run
from anatomy.cli.files import check_files
from anatomy.cli.options import GroupedCommand, model_options, output_options, plot_option
from anatomy.cli.output import answer, chosen_format
from anatomy.cli.progress import working
from anatomy.cli.recipe_options import recipe_options, settings_from_flags
from anatomy.render import Format


@click.command("compare", cls=GroupedCommand, epilog="MODEL: a model hub's id, a folder or a config.json.")
@click.argument("model", required=False, shell_complete=complete_model)
@axis_options
@recipe_options
@click.option(
    "--gpu",
    metavar="NAME",
    shell_complete=complete_gpu,
    help="Say what fits on this GPU; `anatomy gpus` lists them.",
)
@click.option("--check", is_flag=True, help="With --gpu: exit with 1 when none of the runs fits.")
@model_options
@plot_option("what each run has in use at its peak")
@output_options
def command(
    model: str | None,
    gpu: str | None,
    check: bool,
    overrides: tuple[str, ...],
    no_progress: bool,
    plot: str | None,
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
    axes, varied = axes_from_flags(flags)
    config = config_from_flags(flags)
    base, given, in_file = settings_from_flags(flags, config, varied)
    check_model(model, config)
    if check and gpu is None:
        raise click.UsageError("--check needs --gpu NAME: the GPU that a run has to fit.", ctx=ctx)

    form = chosen_format(format_, as_json, output)
    from anatomy import api
    from anatomy.documents.compare import compare_document

    check_files(ctx, {"-o": output, "--plot": plot})
    with working(show=not no_progress) as progress:
        found = api.compare(
            model,
            **axes,
            recipe=base,
            chosen=in_file,
            gpu=gpu,
            **of_the_run(flags, config, overrides, progress),
            **given,
        )
        if plot is not None:
            progress(f"drawing {plot}")
            api.plot(found, plot)
    answer(compare_document(found), form, output)
    if check and not found.fitting:
        ctx.exit(1)
