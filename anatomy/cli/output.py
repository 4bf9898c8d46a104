"""From a document to the stream or file that the user asked for."""

import sys
from pathlib import Path

import click

from anatomy.cli.streams import check_writable, is_terminal, style_of, write
from anatomy.documents.document import Document
from anatomy.render import FORMATS, Format, render


def chosen_format(format_: Format | None, as_json: bool, output: str | None) -> Format:
    """The format that was asked for: by a flag, else by the ending of the file to write, else a table.

    Called before any work is done: raises UsageError when two formats are asked for, AnatomyError when the answer
    could not be written.
    """
    if as_json and format_ not in (None, "json"):
        raise click.UsageError(
            f"--json and --format {format_} contradict each other.", ctx=click.get_current_context()
        )
    check_writable(output)
    if as_json:
        return "json"
    ending = Path(output or "").suffix.removeprefix(".").lower()
    by_ending: Format = next((known for known in FORMATS if known == ending), "table")
    return format_ or by_ending


def answer(document: Document, form: Format, output: str | None) -> None:
    """Render and write."""
    write(render(document, form, style_of(sys.stdout, to_file=output is not None)), output)


def room_for_pictures(form: Format, output: str | None) -> bool:
    """Whether the answer is read in a terminal that is wide enough for pictures made of characters."""
    from anatomy.render.picture import LEAST

    shown = form == "table" and output is None and is_terminal(sys.stdout)
    return shown and style_of(sys.stdout, to_file=False).width >= LEAST
