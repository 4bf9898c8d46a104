"""`anatomy optimizers`."""

from typing import Any

import click

from anatomy.cli.completion import complete_model
from anatomy.cli.options import GroupedCommand, model_options, output_options, parse_overrides
from anatomy.cli.output import answer, chosen_format
from anatomy.cli.progress import working
from anatomy.render import Format


@click.command(
    "optimizers",
    cls=GroupedCommand,
    epilog="MODEL: as for `anatomy plan`; some blocks of a Llama when left out.",
)
@click.argument("model", required=False, shell_complete=complete_model)
@click.option("--only", metavar="NAMES", help="Some of them, with commas: adamw_torch,adamw_8bit,lomo.")
@model_options
@output_options
def command(
    model: str | None,
    only: str | None,
    overrides: tuple[str, ...],
    no_progress: bool,
    format_: Format | None,
    as_json: bool,
    output: str | None,
    **options: Any,
) -> None:
    """\b
      anatomy optimizers
      anatomy optimizers --only adamw_torch,adamw_8bit,lomo --format md
      anatomy optimizers meta-llama/Llama-3.2-1B --only adafactor

    What every optimizer of the Trainer takes for a parameter, at rest and at the step, beside the textbooks.
    """
    form = chosen_format(format_, as_json, output)
    changed = parse_overrides(overrides)
    if model is None and (changed or any(options.values())):
        raise click.UsageError("--set and --revision want a MODEL.", ctx=click.get_current_context())
    names = None if only is None else tuple(name.strip() for name in only.split(",") if name.strip())
    if names == ():
        raise click.UsageError("--only names nothing.", ctx=click.get_current_context())
    from anatomy import api
    from anatomy.documents.optimizers import optimizers_document

    with working(show=not no_progress) as progress:
        costs = api.optimizers(model, only=names, overrides=changed, progress=progress, **options)
    answer(optimizers_document(costs), form, output)
