"""From a document to the stream or file that the user asked for."""

import sys

import click

from anatomy.cli.streams import style_of, write
from anatomy.render import Format, render
from anatomy.report.document import Document


def answer(document: Document, *, format_: Format | None, as_json: bool, output: str | None) -> None:
    """Render and write. Raises UsageError when two formats are asked for."""
    if as_json and format_ not in (None, "json"):
        raise click.UsageError(f"--json and --format {format_} contradict each other.")
    chosen: Format = "json" if as_json else format_ or "table"
    write(render(document, chosen, style_of(sys.stdout, to_file=output is not None)), output)
