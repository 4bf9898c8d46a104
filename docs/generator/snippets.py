"""The blocks of code in a page: which they are, what commands they hold, and which of them show an answer.

A block's note is the HTML comment on the line above it:

<!-- output -->             text: everything that the command (or the Python) before it prints
<!-- output: A | B -->      text: of that the paragraphs which begin with A and with B; '...' stands for the rest
<!-- error -->              text: what a command that is refused says
<!-- file: NAME -->         a file that the commands after it read
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n)?^(?P<fence>`{3,})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)$",
    re.M | re.S,
)
_REMARK = re.compile(r"\s+# .*$")
LEFT_OUT = "..."


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One fenced block of a page."""

    language: str
    note: str
    """The comment above it; empty where there is none."""
    text: str
    line: int
    """Where it begins, counted from 1."""
    start: int
    """Where its text begins in the page, in characters."""

    @property
    def session(self) -> list[tuple[str, str]]:
        """(command without prompt and remark, the output that stands under it) of a console block."""
        if self.language != "console":
            return []
        parts = re.split(r"^\$ ", self.text, flags=re.M)
        return [(_REMARK.sub("", part.partition("\n")[0]), part.partition("\n")[2]) for part in parts if part]

    @property
    def commands(self) -> list[str]:
        """The commands of a console block."""
        return [command for command, _ in self.session]

    @property
    def shows(self) -> list[str] | None:
        """The paragraphs of an answer that it shows, all when the list is empty; None where it shows no answer."""
        if self.note.split(":")[0] not in ("output", "error"):
            return None
        return [part.strip() for part in self.note.partition(":")[2].split("|") if part.strip()]

    @property
    def file(self) -> str | None:
        """The file that it is the content of."""
        return self.note.removeprefix("file: ") if self.note.startswith("file: ") else None


def blocks(page: str) -> Iterator[Block]:
    """Every fenced block of a page, in order."""
    for found in _FENCE.finditer(page):
        yield Block(
            language=found["language"],
            note=found["note"] or "",
            text=found["text"],
            line=page.count("\n", 0, found.start("fence")) + 1,
            start=found.start("text"),
        )


def shown_part(answer: str, wanted: list[str]) -> str:
    """What of an answer a page shows: the paragraphs that begin as `wanted`, in that order. Raises LookupError."""
    paragraphs = answer.rstrip().split("\n\n")
    if not wanted:
        return answer.rstrip() + "\n"
    places = [
        next((at for at, text in enumerate(paragraphs) if text.startswith(start)), None) for start in wanted
    ]
    if None in places:
        raise LookupError(f"no paragraph begins with {wanted[places.index(None)]!r}")
    shown: list[str] = []
    before = -1
    for at in places:
        assert at is not None
        if at != before + 1:
            shown.append(LEFT_OUT)
        shown.append(paragraphs[at])
        before = at
    return "\n\n".join(shown if before == len(paragraphs) - 1 else [*shown, LEFT_OUT]) + "\n"
