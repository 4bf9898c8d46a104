"""`anatomy gpus`."""

import click

from anatomy.cli.options import GroupedCommand, output_options
from anatomy.cli.output import answer, chosen_format
from anatomy.render import Format


@click.command("gpus", cls=GroupedCommand)
@output_options
def command(format_: Format | None, as_json: bool, output: str | None) -> None:
    """\b
      anatomy gpus --format md

    The GPUs that runs are fitted onto, with the memory that a process can allocate.
    """
    form = chosen_format(format_, as_json, output)
    from anatomy import api
    from anatomy.documents.catalogs import gpus_document

    answer(gpus_document(api.gpus()), form, output)
