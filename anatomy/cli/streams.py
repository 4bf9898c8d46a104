"""stdout, a terminal or not: what it can show, and the one place that writes to it."""

import errno
import os
import shutil
import sys
from pathlib import Path
from typing import TextIO

from anatomy.errors import AnatomyError
from anatomy.render.style import Style, to_ascii

WIDTH_WITHOUT_TERMINAL = 100
"""Columns of a table that goes into a file or a pipe, unless COLUMNS says otherwise."""


NO_STDOUT = "There is no standard output to write the answer to."
ELSEWHERE = "write the answer to a file with -o FILE"


def color_wanted(stream: TextIO | None) -> bool:
    """Whether to colour: NO_COLOR wins, then FORCE_COLOR, then whether the stream is a terminal. Empty is unset."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads it. Python has None for a stream that was closed before it began."""
    return stream is not None and stream.isatty()


def style_of(stream: TextIO | None, *, to_file: bool) -> Style:
    """How to draw for this stream; a file gets what a redirected stream would get."""
    terminal = is_terminal(stream) and not to_file
    color = color_wanted(stream if terminal else None)
    width = shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 24)).columns if terminal else _columns()
    return Style(width=max(40, width), color=color, ascii=not _prints_boxes(stream))


def write(text: str, output: str | None) -> None:
    """The answer: to stdout, or the same bytes to a file. Raises AnatomyError when it cannot be written."""
    if output is not None:
        try:
            Path(output).write_bytes(text.encode(_encoding(sys.stdout), "replace"))
        except OSError as error:
            raise AnatomyError(
                f"{output} cannot be written: {error.strerror}.", hint="choose another file with -o"
            ) from error
        return
    if sys.stdout is None:
        raise AnatomyError(NO_STDOUT, hint=ELSEWHERE)
    try:
        sys.stdout.write(text if _can_print(text, sys.stdout) else to_ascii(text))
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()  # whoever reads has enough
    except OSError as error:
        silence_stdout()
        raise AnatomyError(f"The answer cannot be written: {error.strerror}.", hint=ELSEWHERE) from error


def check_writable(output: str | None, flag: str = "-o") -> None:
    """Before the work: raises AnatomyError when the answer could not be written. Changes no file.

    `flag`: where `output` comes from.
    """
    if output is None:
        if sys.stdout is None:
            raise AnatomyError(NO_STDOUT, hint=ELSEWHERE)
        return
    path = Path(output)
    problem = _problem(path)
    if problem is not None:
        raise AnatomyError(f"{output} cannot be written: {problem}.", hint=f"choose another file with {flag}")


def _problem(path: Path) -> str | None:
    if path.is_dir():
        return "it is a folder"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    target = path if path.exists() else path.parent
    return None if os.access(target, os.W_OK) else os.strerror(errno.EACCES)


def silence_stdout() -> None:
    """Nothing more goes to stdout: Python would complain when it flushes at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _columns() -> int:
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isdigit() and int(text) else WIDTH_WITHOUT_TERMINAL


def _prints_boxes(stream: TextIO | None) -> bool:
    return _can_print("├█▏×→", stream)


def _can_print(text: str, stream: TextIO | None) -> bool:
    try:
        text.encode(_encoding(stream))
    except UnicodeEncodeError:
        return False
    return True


def _encoding(stream: TextIO | None) -> str:
    return getattr(stream, "encoding", None) or "utf-8"
