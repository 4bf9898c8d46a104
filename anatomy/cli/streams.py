"""stdout, a terminal or not: what it can show, and the one place that writes to it."""

import os
import shutil
import sys
from pathlib import Path
from typing import TextIO

from anatomy.errors import AnatomyError
from anatomy.render.style import Style, to_ascii

WIDTH_WITHOUT_TERMINAL = 100
"""Columns of a table that goes into a file or a pipe, unless COLUMNS says otherwise."""


def color_wanted(stream: TextIO) -> bool:
    """Whether to colour: NO_COLOR wins, then FORCE_COLOR, then whether the stream is a terminal. Empty is unset."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def style_of(stream: TextIO, *, to_file: bool) -> Style:
    """How to draw for this stream; a file gets what a redirected stream would get."""
    terminal = stream.isatty() and not to_file
    color = color_wanted(stream) if terminal else color_wanted(_NOWHERE)
    width = shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 24)).columns if terminal else _columns()
    return Style(width=max(40, width), color=color, ascii=not _prints_boxes(stream))


def write(text: str, output: str | None) -> None:
    """The answer: to stdout, or the same bytes to a file. Raises AnatomyError when the file cannot be written."""
    if output is not None:
        try:
            Path(output).write_bytes(text.encode(_encoding(sys.stdout), "replace"))
        except OSError as error:
            raise AnatomyError(
                f"{output} cannot be written: {error.strerror}.", hint="choose another file with -o"
            ) from error
        return
    try:
        sys.stdout.write(text if _can_print(text, sys.stdout) else to_ascii(text))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has enough. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _columns() -> int:
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isdigit() and int(text) else WIDTH_WITHOUT_TERMINAL


def _prints_boxes(stream: TextIO) -> bool:
    return _can_print("├█▏×→", stream)


def _can_print(text: str, stream: TextIO) -> bool:
    try:
        text.encode(_encoding(stream))
    except UnicodeEncodeError:
        return False
    return True


def _encoding(stream: TextIO) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


class _Nowhere:
    """A stream that is no terminal."""

    def isatty(self) -> bool:
        return False


_NOWHERE: TextIO = _Nowhere()  # type: ignore[assignment]
