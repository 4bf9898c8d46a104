"""`anatomy profile`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anatomy.cli.completion import complete_model
from anatomy.cli.config_options import check_model, config_from_flags, of_the_run
from anatomy.cli.files import PLOT, check_files
from anatomy.cli.options import GroupedCommand, model_options, output_options, plot_option
from anatomy.cli.output import answer, chosen_format
from anatomy.cli.progress import working
from anatomy.cli.recipe_options import recipe_from_flags, recipe_options
from anatomy.render import Format

if TYPE_CHECKING:
    from anatomy.profiling.record import Record

_WITH_OPEN = frozenset(
    {"model", "open_", "export", "export_predicted", "plot", "no_progress", "format_", "as_json", "output"}
)
"""Parameters that mean something beside --open."""


@click.command("profile", cls=GroupedCommand, epilog="MODEL: a model hub's id, a folder or a config.json.")
@click.argument("model", required=False, shell_complete=complete_model)
@recipe_options
@click.option(
    "--weights", is_flag=True, help="Load the checkpoint's weights; random ones take the same memory."
)
@click.option("--steps", type=click.IntRange(min=1), default=5, show_default=True, help="Steps to time.")
@click.option(
    "--warmup",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Steps before them that are not timed.",
)
@click.option(
    "--device",
    type=click.Choice(("cuda", "cpu")),
    help="Where to run.  [default: the GPU where there is one]",
)
@click.option("--save", metavar="FILE", help="Also keep the run as a file: run.json, or run.json.xz.")
@click.option("--open", "open_", metavar="FILE", help="Show a run that --save kept, instead of running one.")
@click.option(
    "--export",
    metavar="FILE",
    help="Also write the measured timeline for other tools: .pickle for pytorch.org/memory_viz, .json for Perfetto.",
)
@click.option("--export-predicted", metavar="FILE", help="The same of the predicted timeline.")
@plot_option("the phases, measured beside predicted")
@model_options
@output_options
def command(
    model: str | None,
    weights: bool,
    steps: int,
    warmup: int,
    device: str | None,
    save: str | None,
    open_: str | None,
    export: str | None,
    export_predicted: str | None,
    plot: str | None,
    overrides: tuple[str, ...],
    no_progress: bool,
    format_: Format | None,
    as_json: bool,
    output: str | None,
    **flags: Any,
) -> None:
    """\b
      anatomy profile meta-llama/Llama-3.1-8B --method qlora --save run.json.xz
      anatomy profile ./my-model --method full --seq-len 512 --device cpu
      anatomy profile --open run.json.xz

    Real training steps on this machine's GPU, or on its CPU, beside what was predicted for them.
    """
    ctx = click.get_current_context()
    form = chosen_format(format_, as_json, output)
    exports = {"--export": export, "--export-predicted": export_predicted}
    files = {"-o": output, "--save": save, **exports, PLOT: plot}
    check_files(ctx, files, exports=(*exports,))
    from anatomy.profiling import record as records

    if open_ is not None:
        _check_alone(ctx, model)
        record = records.load(Path(open_))
        _tell(record, exports, plot, form, output)
        return
    config = config_from_flags(flags)
    check_model(model, config)
    recipe, chosen = recipe_from_flags(flags, config)
    from anatomy import api

    with working(show=not no_progress) as progress:
        record = api.profile(
            model,
            recipe=recipe,
            chosen=chosen,
            weights="real" if weights else "random",
            steps=steps,
            warmup=warmup,
            device=device,
            **of_the_run(flags, config, overrides, progress),
        )
        if save is not None:
            progress(f"writing {save}")
            records.save(record, Path(save))
    _tell(record, exports, plot, form, output)


def _tell(
    record: "Record", exports: Mapping[str, str | None], plot: str | None, form: Format, output: str | None
) -> None:
    """The files beside the answer, and the answer."""
    from anatomy.documents.profile.run import profile_document

    _export(record, exports["--export"], exports["--export-predicted"])
    answer(profile_document(record), form, output)
    _draw(record, plot)


def _export(record: "Record", measured: str | None, predicted: str | None) -> None:
    from anatomy import api
    from anatomy.memory.allocator import replay

    for path, timeline in (
        (measured, record.measurement.observed),
        (predicted, record.prediction.timeline),
    ):
        if path is not None:
            api.export(replay(timeline), path)


def _draw(record: "Record", path: str | None) -> None:
    """Once the answer is out: a run without a phase to draw is an answer all the same."""
    from anatomy import api

    if path is not None:
        api.plot(record, path)


def _check_alone(ctx: click.Context, model: str | None) -> None:
    """--open shows what was run: nothing of a run can be chosen any more."""
    given = click.core.ParameterSource.COMMANDLINE
    too_many = [
        parameter.opts[0]
        for parameter in ctx.command.params
        if (name := parameter.name or "") not in _WITH_OPEN and ctx.get_parameter_source(name) is given
    ]
    if model is not None:
        too_many.insert(0, "MODEL")
    if too_many:
        raise click.UsageError(f"--open shows a run that was made: {too_many[0]} cannot be chosen.", ctx=ctx)
