"""What a terminal can show."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """The terminal that text is made for."""

    width: int = 80
    """Columns."""
    color: bool = False
    """Whether colours and bold may be used."""
    ascii: bool = False
    """Whether only ASCII can be printed."""


_ASCII = str.maketrans(
    {
        "×": "x",
        "–": "-",
        "→": ">",
        "·": "-",
        "…": "...",
        "│": "|",
        "├": "|",
        "└": "`",
        "─": "-",
        **dict(zip("┤┬╪┊╌┄▼▶◀↑◆✗▚", "|++:-.v><^*X!", strict=True)),
        **dict.fromkeys("█▉▊▋▌", "#"),
        **dict.fromkeys("▍▎▏", " "),
    }
)


def to_ascii(text: str) -> str:
    """The same with every character that ASCII lacks replaced by one that looks like it, or by '?'."""
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
