"""`anatomy schema`."""

import json

import click

from anatomy.cli.options import GroupedCommand
from anatomy.cli.streams import check_writable, write
from anatomy.schemas import NAMES


@click.command("schema", cls=GroupedCommand)
@click.argument("name", required=False, type=click.Choice(NAMES))
@click.option("-o", "--output", metavar="FILE", help="Write it to a file.")
def command(name: str | None, output: str | None) -> None:
    """\b
      anatomy schema plan
      anatomy schema plan -o plan.schema.json

    The JSON Schema (draft 2020-12) of what a command answers with --json; without NAME, their names.
    """
    check_writable(output)
    if name is None:
        write("\n".join(NAMES) + "\n", output)
        return
    from anatomy import api

    write(json.dumps(api.schema(name), indent=2) + "\n", output)
