"""`anatomy env`."""

import click

from anatomy.cli.options import GroupedCommand, output_options
from anatomy.cli.output import answer, chosen_format
from anatomy.render import Format


@click.command("env", cls=GroupedCommand)
@output_options
def command(format_: Format | None, as_json: bool, output: str | None) -> None:
    """\b
      anatomy env --format md

    Versions and hardware of this machine, for a bug report.
    """
    form = chosen_format(format_, as_json, output)
    from anatomy import api
    from anatomy.documents.environment import environment_document

    answer(environment_document(api.env()), form, output)
