"""Sections of facts set to a width: two columns where there is room, else a fact under its name."""

from collections.abc import Iterable, Iterator
from textwrap import wrap

from anatomy.memory.timeline import Category
from anatomy.render.palette import CATEGORY_LETTERS
from anatomy.tui.tree.columns import bar, printable
from anatomy.tui.tree.describe import Line, Section

Cell = tuple[str, str | Category]
"""(text, role): 'title', 'name', 'text', or the category whose colour a text has."""
LEAST_COLUMNS = 44
"""Below this a name and its fact share no line's grid."""
WIDEST = 100
"""Sentences are not set wider."""
_BAR = 12


def set_lines(sections: Iterable[Section], width: int) -> list[list[Cell]]:
    """The lines of the details, none wider than the width."""
    room = max(8, min(width, WIDEST))
    found: list[list[Cell]] = []
    for section in sections:
        if found:
            found.append([])
        if section.title:
            found.append([(section.title[:room], "title")])
        found.extend(_set_section(section, room))
    return found


def _set_section(section: Section, room: int) -> Iterator[list[Cell]]:
    grid = room >= LEAST_COLUMNS
    widest = max((len(line.name) + 2 * (line.category is not None) for line in section.lines), default=0)
    column = min(widest, room // 2) + 2 if grid else 0
    whole = max((line.value or 0 for line in section.lines if line.category), default=0)
    for line in section.lines:
        letter = f"{CATEGORY_LETTERS[line.category]} " if line.category else ""
        name, text = f"{letter}{printable(line.name)}", printable(line.text)
        if not line.name:
            yield from ([(part, "text")] for part in _wrapped(text, room))
        elif grid:
            yield from _in_grid(line, name, text, column, room, whole)
        else:
            yield from _in_turn(line, name, text, room)


def _in_grid(line: Line, name: str, text: str, column: int, room: int, whole: int) -> Iterator[list[Cell]]:
    names = _wrapped(name, column - 1)
    texts = _wrapped(text, room - column)
    role = line.category or "name"
    for k in range(max(len(names), len(texts))):
        left = (names[k] if k < len(names) else "").ljust(column)
        right = texts[k] if k < len(texts) else ""
        cells: list[Cell] = [(left, role), (right, "text")]
        if line.category and k == 0 and room - column >= 12 + _BAR:
            cells = [(left, role), (right.rjust(11), "text"), (" " + bar(line.value or 0, whole, _BAR), role)]
        yield cells


def _in_turn(line: Line, name: str, text: str, room: int) -> Iterator[list[Cell]]:
    """'name: text' on one line where it fits, else the text below, set in."""
    role = line.category or "name"
    if len(name) + 2 + len(text) <= room:
        yield [(f"{name}: ", role), (text, "text")]
        return
    yield from ([(part, role)] for part in _wrapped(f"{name}:", room))
    yield from ([(f"  {part}", "text")] for part in _wrapped(text, room - 2))


def _wrapped(text: str, width: int) -> list[str]:
    """Words on lines; a path is broken where it has to be."""
    return wrap(text, max(1, width), break_on_hyphens=False) or [""]
