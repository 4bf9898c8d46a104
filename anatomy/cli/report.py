"""`anatomy report`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anatomy.cli.axis_options import AXES, axes_from_flags, axis_options, flag_of, listed
from anatomy.cli.completion import complete_gpu, complete_model
from anatomy.cli.config_options import check_model, config_from_flags, of_the_run
from anatomy.cli.files import check_files
from anatomy.cli.options import GroupedCommand, model_options, output_options
from anatomy.cli.output import answer, chosen_format
from anatomy.cli.progress import working
from anatomy.cli.recipe_options import recipe_from_flags, recipe_options, settings_from_flags
from anatomy.render import Format

if TYPE_CHECKING:
    from anatomy.documents.document import Document

_WITH_A_FILE = frozenset(
    {"model", "validation", "sections", "no_progress", "format_", "as_json", "output", "offline", "token"}
)
"""Parameters that mean something where a run or a grid was measured already."""
_NOT_REPEATED = ("--token", "-o", "--output")
"""Flags with a value that say nothing of the answer, or are nobody else's business."""


class _Typed(GroupedCommand):
    """Keeps what was typed, for who wants the same again."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's."""
        ctx.meta["typed"] = ("anatomy", self.name or "", *repeated(args))
        return super().parse_args(ctx, args)


def repeated(args: Sequence[str]) -> Iterator[str]:
    """What is to be typed to get the same answer, wherever it was written."""
    rest = iter(args)
    for word in rest:
        flag, equals, _ = word.partition("=")
        if flag in _NOT_REPEATED:
            if not equals:
                next(rest, None)
        elif not (word.startswith("-o") and not word.startswith("--")):
            yield word


@click.command(
    "report",
    cls=_Typed,
    epilog="MODEL: a model hub's id, a folder, a config.json, FILE.py:NAME, or a run that `anatomy profile --save` kept. "
    "FILE.md has its pictures beside it; FILE.html is one file that needs no network.",
)
@click.argument("model", required=False, shell_complete=complete_model)
@click.option("--sections", metavar="A,B", callback=listed, help="These sections alone, in this order.")
@click.option("--compare", is_flag=True, help="Report on the runs of `anatomy compare`.")
@click.option("--validation", metavar="DIR", help="Report on the records in DIR, predicted again.")
@axis_options
@recipe_options
@click.option(
    "--gpu",
    metavar="NAME",
    shell_complete=complete_gpu,
    help="Plan for this GPU alone; `anatomy gpus` lists them.",
)
@click.option(
    "--inputs", metavar="NAME", help="Of FILE.py:NAME: the file's function that gives a step's arguments."
)
@model_options
@output_options
def command(
    model: str | None,
    sections: tuple[str, ...] | None,
    compare: bool,
    validation: str | None,
    no_progress: bool,
    format_: Format | None,
    as_json: bool,
    output: str | None,
    **flags: Any,
) -> None:  # fmt: skip
    """\b
      anatomy report meta-llama/Llama-3.1-8B --method qlora -o llama.html
      anatomy report meta-llama/Llama-3.1-8B --method qlora --gpu "RTX 4090" -o llama.md
      anatomy report meta-llama/Llama-3.1-8B --compare --methods lora,qlora -o methods.html
      anatomy report run.json.xz --sections answer,measured,predicted -o run.html
      anatomy report --validation reports/h200 -o accuracy.html

    Everything that is known of a run in one file to send: the model, what the run needs and why, where it fits.
    """
    ctx = click.get_current_context()
    form = chosen_format(format_, as_json, output)
    check_files(ctx, {"-o": output})
    measured = validation is not None or _is_run(model)
    _check_together(ctx, compare=compare, validation=validation, model=model, measured=measured)
    from anatomy import api

    with working(show=not no_progress) as progress:
        if validation is not None:
            progress("predicting the records again")
            found: Any = api.validate_records(validation)
            document = api.report(found, sections=sections, command=_again(ctx))
        elif compare:
            document = api.report(_compared(model, flags, progress), sections=sections, command=_again(ctx))
        else:
            document = api.report(
                model, sections=sections, **({} if measured else _asked(model, flags, progress))
            )
        if form == "md" and output is not None:
            progress("drawing")
            document = _illustrated(document, Path(output))
    answer(document, form, output)


def _asked(model: str | None, flags: dict[str, Any], progress: Any) -> dict[str, Any]:
    """What `anatomy.api.report` is asked of a run that is planned."""
    axes_from_flags(flags)
    config = config_from_flags(flags)
    recipe, chosen = recipe_from_flags(flags, config)
    check_model(model, config)
    run = of_the_run(flags, config, flags["overrides"], progress)
    return {"recipe": recipe, "chosen": chosen, "gpu": flags["gpu"], "inputs": flags["inputs"], **run}


def _compared(model: str | None, flags: dict[str, Any], progress: Any) -> Any:
    from anatomy import api

    axes, varied = axes_from_flags(flags)
    config = config_from_flags(flags)
    base, given, in_file = settings_from_flags(flags, config, varied)
    check_model(model, config)
    run = of_the_run(flags, config, flags["overrides"], progress)
    return api.compare(model, **axes, recipe=base, chosen=in_file, gpu=flags["gpu"], **run, **given)


def _again(ctx: click.Context) -> str:
    from anatomy.planning.command import as_typed

    return as_typed(ctx.meta["typed"])


def _is_run(model: str | None) -> bool:
    from anatomy import api

    return model is not None and api.is_saved_run(Path(model))


def _check_together(
    ctx: click.Context, *, compare: bool, validation: str | None, model: str | None, measured: bool
) -> None:
    """Of a run or a grid that was measured nothing can be chosen any more; axes belong to a comparison."""
    given = [
        parameter
        for parameter in ctx.command.params
        if ctx.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
    ]
    if validation is not None and model is not None:
        raise click.UsageError("--validation names what to report on: leave MODEL out.", ctx=ctx)
    too_many = [parameter.opts[0] for parameter in given if parameter.name not in _WITH_A_FILE]
    if measured and too_many:
        raise click.UsageError(f"What was run cannot be chosen any more: {too_many[0]}.", ctx=ctx)
    axes = [flag_of(parameter.name) for parameter in given if parameter.name in AXES]
    if axes and not compare:
        raise click.UsageError(f"{axes[0]} needs --compare.", ctx=ctx)


def _illustrated(document: "Document", path: Path) -> "Document":
    """The document with its pictures written beside it."""
    from anatomy import api

    document, _ = api.illustrated(document, path)
    return document
