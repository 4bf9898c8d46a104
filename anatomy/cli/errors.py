"""Everything that goes to stderr when something is wrong, and the code that the command leaves with."""

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from anatomy.cli.streams import ELSEWHERE, color_wanted, silence_stdout
from anatomy.errors import AnatomyError

BAD_INPUT = 2
INTERRUPTED = 130


def debugging() -> bool:
    """Whether ANATOMY_DEBUG asks for tracebacks and for the libraries' own remarks."""
    return os.environ.get("ANATOMY_DEBUG", "") not in ("", "0")


def guarded(command: Callable[[], Any]) -> int:
    """Run a command; the exit code, with every failure told in a sentence and a hint."""
    try:
        code = command()
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted\n")
        return INTERRUPTED
    except AnatomyError as error:
        return _fail(error.message, error.hint)
    except click.ClickException as error:
        return _fail(_sentence(error.format_message()), _usage_hint(error))
    except OSError as error:
        if error.errno not in _NO_ROOM:
            return _bug(error)
        silence_stdout()
        return _fail(f"The output cannot be written: {error.strerror}.", ELSEWHERE)
    except Exception as error:
        return _bug(error)
    return code if isinstance(code, int) else 0


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EBADF)
"""What a stream says that takes nothing more."""


def _bug(error: Exception) -> int:
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return _fail(
        f"this is a bug in anatomy or its libraries: {type(error).__name__}: {first}",
        "set ANATOMY_DEBUG=1 for the traceback, and report it with the output of `anatomy env`",
    )


def _fail(message: str, hint: str | None) -> int:
    if debugging():
        traceback.print_exc()
    error, label = (
        ("\x1b[1;31merror:\x1b[0m", "\x1b[36mhint:\x1b[0m")
        if color_wanted(sys.stderr)
        else (
            "error:",
            "hint:",
        )
    )
    _say(f"{error} {message}\n" + (f"\n{label} {hint}\n" if hint else ""))
    return BAD_INPUT


def _say(text: str) -> None:
    """To stderr, where there is one that takes it."""
    with contextlib.suppress(OSError):
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _usage_hint(error: click.ClickException) -> str | None:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path} --help`" if context is not None else None
