"""`anatomy plan`."""

from typing import TYPE_CHECKING, Any

import click

from anatomy.cli.completion import complete_gpu, complete_model
from anatomy.cli.config_options import as_toml, check_model, config_from_flags, of_the_run
from anatomy.cli.files import check_files
from anatomy.cli.options import GroupedCommand, model_options, output_options, plot_option
from anatomy.cli.output import answer, chosen_format, room_for_pictures
from anatomy.cli.progress import working
from anatomy.cli.recipe_options import recipe_from_flags, recipe_options
from anatomy.cli.streams import write
from anatomy.render import Format

if TYPE_CHECKING:
    from anatomy.api import Progress
    from anatomy.documents.document import Document
    from anatomy.planning.plan import Plan


@click.command(
    "plan",
    cls=GroupedCommand,
    epilog="MODEL: a model hub's id, a folder or a config.json. "
    "FILE.py:NAME runs that file of your own: NAME() returns a torch.nn.Module, inputs() the arguments of a step.",
)
@click.argument("model", required=False, shell_complete=complete_model)
@recipe_options
@click.option("--print-recipe", is_flag=True, help="Print the complete recipe as TOML, and stop.")
@click.option(
    "--gpu",
    metavar="NAME",
    shell_complete=complete_gpu,
    help="Plan for this GPU alone; `anatomy gpus` lists them.",
)
@click.option(
    "--export",
    metavar="FILE",
    help="Also write the steps entry by entry: FILE.pickle for pytorch.org/memory_viz, FILE.json for Perfetto.",
)
@click.option(
    "--inputs",
    metavar="NAME",
    help="Of FILE.py:NAME: the file's function that gives a step's arguments.  [default: inputs]",
)
@click.option(
    "--by-module", is_flag=True, help="Also what each module has of the peak, and of the computing."
)
@click.option("--check", is_flag=True, help="With --gpu: exit with 1 when the run does not fit.")
@model_options
@plot_option("memory in the step of the peak, with the card's line")
@output_options
def command(
    model: str | None,
    print_recipe: bool,
    gpu: str | None,
    export: str | None,
    by_module: bool,
    check: bool,
    inputs: str | None,
    overrides: tuple[str, ...],
    no_progress: bool,
    plot: str | None,
    format_: Format | None,
    as_json: bool,
    output: str | None,
    **flags: Any,
) -> None:
    """\b
      anatomy plan meta-llama/Llama-3.1-8B --method qlora --r 64
      anatomy plan meta-llama/Llama-3.1-8B --method full --gpu "H100 80GB SXM" --check
      anatomy plan --config axolotl.yml --seq-len 4096
      anatomy plan meta-llama/Llama-3.1-8B --method qlora --gpu "RTX 4090" --plot step.png
      anatomy plan my_model.py:build --batch-size 32
      anatomy plan ./my-model --target-modules q_proj,v_proj --seq-len 4096 --json

    What a training run needs, where its peak is and why, and which GPUs it fits.
    """
    ctx = click.get_current_context()
    config = config_from_flags(flags)
    recipe, chosen = recipe_from_flags(flags, config)
    if print_recipe:
        from anatomy.api.lengths import with_lengths

        if as_json or format_ is not None:
            raise click.UsageError("--print-recipe writes TOML: leave --json and --format out.", ctx=ctx)
        write(as_toml(with_lengths(recipe, set(chosen), flags["lengths"])[0], config, model), output)
        return
    check_model(model, config)
    if check and gpu is None:
        raise click.UsageError("--check needs --gpu NAME: the GPU that the run has to fit.", ctx=ctx)

    form = chosen_format(format_, as_json, output)
    from anatomy import api

    check_files(ctx, {"-o": output, "--export": export, "--plot": plot}, exports=("--export",))
    with working(show=not no_progress) as progress:
        plan = api.plan(
            model,
            recipe=recipe,
            chosen=chosen,
            gpu=gpu,
            inputs=inputs,
            **of_the_run(flags, config, overrides, progress),
        )
        _keep(plan, export, plot, progress)
    answer(_document(plan, pictures=room_for_pictures(form, output), by_module=by_module), form, output)
    if check and not all(fit.fits for fit in plan.fits):
        ctx.exit(1)


def _keep(plan: "Plan", export: str | None, plot: str | None, progress: "Progress") -> None:
    """The files beside the answer."""
    from anatomy import api

    if export is not None:
        progress(f"writing {export}")
        api.export(plan.replay, export)
    if plot is not None:
        progress(f"drawing {plot}")
        api.plot(plan, plot)


def _document(plan: "Plan", *, pictures: bool, by_module: bool) -> "Document":
    from anatomy.documents.plan.modules import with_modules
    from anatomy.documents.plan.run import plan_document, with_timeline

    document = plan_document(plan)
    if pictures:
        document = with_timeline(document, plan)
    return with_modules(document, plan) if by_module else document
