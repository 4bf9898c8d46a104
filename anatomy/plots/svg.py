"""matplotlib's SVG, said shorter: the same drawing to a hundredth of a point, in about a third of the bytes.

A report's pictures are kept beside it and compared when it is made again; digits that nobody can see would only differ from
machine to machine. Commands of paths: https://www.w3.org/TR/SVG11/paths.html#PathData.
"""

import re
from collections.abc import Iterator

DIGITS = 2
"""After the point: a hundredth of a point is a 7,200th of an inch."""
_TAG = re.compile(r"<[a-zA-Z][^>]*>")
_PATH = re.compile(r'(?<= d=")[^"]*')
_LONG = re.compile(rf"-?\d+\.\d{{{DIGITS + 1},}}")
_UNTURNED = re.compile(r' transform="rotate\(-?0 [^)]*\)"')


def shortened(svg: str) -> str:
    """The same drawing. Words that are drawn are left as they are: only what stands inside of tags is changed."""
    return _TAG.sub(lambda tag: _short_tag(tag[0]), svg)


def _short_tag(tag: str) -> str:
    tag = _PATH.sub(lambda path: short_path(path[0]), _UNTURNED.sub("", tag))
    return _LONG.sub(lambda number: _short(number[0]), tag)


def _short(number: str) -> str:
    text = f"{float(number):.{DIGITS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def short_path(path: str) -> str:
    """A path's data, its straight lines as short as they can be written; curves only with shorter numbers."""
    words = path.split()
    if {word for word in words if word.isalpha()} <= {*"MLz"}:
        return "".join(_straight(words))
    return " ".join(word if word.isalpha() else _short(word) for word in words)


def _straight(words: list[str]) -> Iterator[str]:
    """Lines across and down say where they end by one number; those that lead nowhere are left out."""
    rest, before = iter(words), ("", "")
    for command in rest:
        if command == "z":
            yield "z"
            continue
        x, y = at = _short(next(rest)), _short(next(rest))
        if command == "M":
            yield f"M{x} {y}"
        elif y == before[1]:
            yield "" if x == before[0] else f"H{x}"
        else:
            yield f"V{y}" if x == before[0] else f"L{x} {y}"
        before = at
