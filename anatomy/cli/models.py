"""`anatomy models`."""

import click

from anatomy.cli.options import GroupedCommand, output_options
from anatomy.cli.output import answer, chosen_format
from anatomy.render import Format


@click.command("models", cls=GroupedCommand)
@output_options
def command(format_: Format | None, as_json: bool, output: str | None) -> None:
    """\b
      anatomy models --format csv

    The models that are known without a network.
    """
    form = chosen_format(format_, as_json, output)
    from anatomy import api
    from anatomy.documents.catalogs import models_document

    answer(models_document(api.models()), form, output)
