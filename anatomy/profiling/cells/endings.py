"""How a process ended that left neither a record nor a reason."""

import re
import signal
from pathlib import Path

_WORDS, _FRAMES = 4, 16
"""Last lines of a dead process's output that are kept: before a crash was reported, and of the report."""


def ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"its process ended with code {code} and no result"
    name = signal.Signals(-code).name
    killed = "; the machine may have been out of memory" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{killed}"


def last_lines(log: Path) -> tuple[str, ...]:
    """The last words of a process, and where a crash found it; files by name alone, without their folders."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ()
    text = _FRAME.sub(lambda frame: f"{Path(frame[1]).name}:{frame[2]} in", text)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(_EXTENSIONS)]
    crash = next((n for n, line in enumerate(lines) if line.startswith(_CRASH)), len(lines))
    return tuple(lines[max(0, crash - _WORDS) : crash + _FRAMES])


_FRAME = re.compile(r'File "(.+?)", line (\d+) in')
_CRASH, _EXTENSIONS = "Fatal Python error", "Extension modules"
"""How faulthandler begins its report, and the line of it that says nothing."""
