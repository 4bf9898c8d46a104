"""The picture of a run's memory as characters: a stacked area over the phases. Nothing here knows a terminal."""

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from anatomy.documents.scene import Scene
from anatomy.memory.levels import CATEGORIES, Column, Sampled
from anatomy.render.axes import phase_labels, step_labels, ticks, unit_of
from anatomy.render.palette import CATEGORY_LETTERS
from anatomy.units import format_bytes

GUTTER = 6
"""Columns left of the area: a level and the axis."""
LEAST = 110
"""Columns of a terminal from which on an answer has such pictures in it."""
ABOVE, BELOW = 1, 3
"""Rows above the area (the peak's name) and below it (axis, phases, steps)."""
EIGHTHS = " ▁▂▃▄▅▆▇█"
MARKS = AXIS, PEAK, CAPACITY, OVER, RESERVED, REST, CURSOR = (
    *("axis", "peak", "capacity", "over", "reserved", "rest"),
    "cursor",
)
"""Names of what is drawn beside the categories, whose names are their values."""
_BLANK = len(CATEGORIES)
_LETTERS = [CATEGORY_LETTERS[category] for category in CATEGORIES]
_NAMES = [category.value for category in CATEGORIES]


class Cell(NamedTuple):
    """One character of a picture."""

    character: str = " "
    ink: str = ""
    """What the character is of: a category's value or one of the names above; '' for plain text."""
    ground: str = ""
    """What lies behind it, in the same words."""


Row = list[Cell]


def picture(
    sampled: Sampled, scene: Scene, *, height: int, letters: bool = False, reserved: bool = False
) -> list[Row]:
    """`height` rows of `GUTTER` and one cell for each column, from the top down.

    With `letters` the area is made of the categories' letters, one step a row, to be read without colour. Else
    colours carry it, eight steps a row, with a letter here and there. `reserved`: with a line at what is reserved.
    Where more than the capacity is allocated, what lies above it is hatched, or made of '!'.
    """
    rows = max(1, height - ABOVE - BELOW)
    top = scene.top(reserved=reserved)
    grid = area(sampled.columns, top, rows, letters=letters, capacity=scene.drawn_capacity)
    _draw_phases(grid, sampled)
    if reserved:
        _draw_reserved(grid, sampled.columns, top)
    _draw_rests(grid, sampled, scene, top)
    _draw_capacity(grid, sampled.columns, scene, top)
    gutter = _gutter(top, rows, scene.drawn_capacity)
    body = [left + row for left, row in zip(gutter, reversed(grid), strict=True)]
    unit = _text(f"{unit_of(top)[1]:>{GUTTER - 1}} ", AXIS)
    return [unit + _peak_row(sampled, scene), *body, *_below(sampled, scene)][:height]


def with_cursor(cells: Row, *, axis: bool = False) -> Row:
    """Cells of the area, or of the axis, as they are where the cursor is; letters stay to be read."""
    return [_under_cursor(cell, axis) for cell in cells]


def _under_cursor(cell: Cell, axis: bool) -> Cell:
    if axis:
        return Cell("▲", PEAK)
    if cell.character.isalpha() and not cell.ground:
        return Cell(cell.character, CURSOR)
    return Cell("│", "" if cell.ground else PEAK, cell.ground)


def area(
    columns: Sequence[Column], top: int, rows: int, *, letters: bool, capacity: int | None = None
) -> list[Row]:
    """The stacked area alone, from the lowest row up; `top` bytes are `rows` rows."""
    drawn = [
        _draw_column(column, x, top, rows, letters=letters, capacity=capacity)
        for x, column in enumerate(columns)
    ]
    return [list(row) for row in zip(*drawn, strict=True)]


def heights(column: Column, top: int, units: int) -> list[int]:
    """How many of `units` each of `CATEGORIES` takes; they add up to the rounded total, whatever their number."""
    edges = [(2 * level * units + top) // (2 * top) for level in accumulate(column.stack, initial=0)]
    return [high - low for low, high in pairwise(edges)]


def _draw_column(
    column: Column, x: int, top: int, rows: int, *, letters: bool, capacity: int | None
) -> list[Cell]:
    fine = 1 if letters else len(EIGHTHS) - 1
    kinds: list[int] = []
    for kind, height in enumerate(heights(column, top, rows * fine)):
        kinds += [kind] * height
    kinds += [_BLANK] * (rows * fine - len(kinds))
    over_from = (
        rows if capacity is None or column.allocated_bytes <= capacity else _row_of(capacity, top, rows)
    )
    return [_cell(kinds[y * fine : (y + 1) * fine], x, y, letters, y >= over_from) for y in range(rows)]


def _cell(kinds: list[int], x: int, y: int, letters: bool, over: bool) -> Cell:
    """One cell of the area: of one category; of two, one behind the other; or of what is most below its upper edge."""
    lowest = kinds[0]
    if lowest == _BLANK:
        return Cell()
    name = _NAMES[lowest]
    if letters:
        return Cell("!", OVER) if over else Cell(_LETTERS[lowest], name)
    filled = len(kinds) - kinds.count(_BLANK)
    most = max(kinds[:filled], key=kinds.count)
    if filled < len(kinds):
        return Cell(EIGHTHS[filled], OVER if over else _NAMES[most])
    letter = _LETTERS[most] if x % 8 == 3 + 4 * (y % 2) and lowest == kinds[-1] else ""
    if over:
        return Cell(letter or "▚", _NAMES[most], OVER)
    if lowest == kinds[-1]:
        return Cell(letter or " ", "", name)
    part = kinds.count(lowest)
    return Cell(EIGHTHS[part], name, _NAMES[max(kinds[part:], key=kinds.count)])


def _row_of(level: int, top: int, rows: int) -> int:
    """The row, counted from below, that a level lies in."""
    return min(rows - 1, level * rows // top)


def _draw_phases(grid: list[Row], sampled: Sampled) -> None:
    """A thin line where a phase begins, where nothing else is."""
    for row in grid:
        for span in sampled.spans[1:]:
            if span.first < len(row) and row[span.first] == Cell():
                row[span.first] = Cell("┊", AXIS)


def _draw_reserved(grid: list[Row], columns: Sequence[Column], top: int) -> None:
    for x, column in enumerate(columns):
        row = grid[_row_of(column.reserved_bytes, top, len(grid))]
        if _free(row[x]):
            row[x] = Cell("┄", RESERVED)


def _draw_rests(grid: list[Row], sampled: Sampled, scene: Scene, top: int) -> None:
    """A mark at the level that each phase leaves behind, in its last column, where it is wide enough to be told."""
    ends = {span.stop - 1: span for span in sampled.spans if span.last - span.first > 2}
    for rest in scene.rests:
        if rest.index in ends and rest.index < sampled.stop:
            row, x = (
                grid[_row_of(max(0, rest.allocated_bytes - 1), top, len(grid))],
                ends[rest.index].last - 1,
            )
            row[x] = Cell("◆", REST, row[x].ground)


def _draw_capacity(grid: list[Row], columns: Sequence[Column], scene: Scene, top: int) -> None:
    """The card's line and its name; an arrow for a line that would be far above."""
    if scene.capacity_bytes is None:
        return
    drawn = scene.drawn_capacity
    at = len(grid) - 1 if drawn is None else _row_of(drawn, top, len(grid))
    for x, column in enumerate(columns):
        if drawn is not None and _free(grid[at][x]):
            grid[at][x] = Cell("!", OVER) if column.allocated_bytes > drawn else Cell("╌", CAPACITY)
    words = ("↑" if drawn is None else "", scene.capacity_name, format_bytes(scene.capacity_bytes))
    label = f" {' '.join(word for word in words if word)} "[: len(columns)]
    rooms = ((y, _room(grid[y], len(label))) for y in (at, at + 1, at - 1) if 0 <= y < len(grid))
    y, end = next(((y, end) for y, end in rooms if end is not None), (at, len(label)))
    grid[y][end - len(label) : end] = _text(label, CAPACITY)


def _room(row: Row, wanted: int) -> int | None:
    """Where the last stretch of so many cells ends that show at most a line."""
    run = 0
    for x in reversed(range(len(row))):
        run = run + 1 if _free(row[x]) or row[x].ink == CAPACITY else 0
        if run == wanted:
            return x + wanted
    return None


def _free(cell: Cell) -> bool:
    return not cell.ground and cell.character in " ┊"


def _gutter(top: int, rows: int, capacity: int | None) -> list[Row]:
    """Levels and the axis, from the top down; the capacity is marked there even where the area hides its line."""
    written = ticks(top, rows)
    labels = (written.get(y, "") for y in reversed(range(rows)))
    gutter = [_text(f"{label:>{GUTTER - 1}}" + ("┤" if label else "│"), AXIS) for label in labels]
    if capacity is not None:
        gutter[rows - 1 - _row_of(capacity, top, rows)][-1] = Cell("╪", CAPACITY)
    return gutter


def _peak_row(sampled: Sampled, scene: Scene) -> Row:
    """The peak, above the column it is in; or in which direction it lies."""
    width = len(sampled.columns)
    at = sampled.columns_of(scene.peak_index)
    words = scene.peak_words
    if at:
        left = f"{words} "[: at.start] if at.start > width - at.start else ""
        if left and len(left) < len(words):
            left = left[:-2] + "… "
        right = "" if left else _cropped(f" {words}", width - at.start - 1)
        line = f"{left:>{at.start}}▼{right}"
    elif scene.peak_index < sampled.start:
        line = _cropped(f"◀ {words}", width)
    else:
        line = f"{_cropped(words, width - 2)} ▶".rjust(width)
    return _text(f"{line:<{width}}"[:width], PEAK)


def _below(sampled: Sampled, scene: Scene) -> list[Row]:
    """The axis with the phases' beginnings, their names, and the steps'."""
    width = len(sampled.columns)
    axis = ["─"] * width
    for span in sampled.spans[1:]:
        if span.first < width:
            axis[span.first] = "┬"
    line = _text(" " * (GUTTER - 1) + "└" + "".join(axis), AXIS)
    if scene.failure is not None:
        for x in sampled.columns_of(scene.failure.index)[:1]:
            line[GUTTER + x] = Cell("✗", OVER)
    return [line, _labels(phase_labels(sampled.spans), width), _labels(step_labels(sampled.spans), width)]


def _labels(labels: Iterable[tuple[int, str]], width: int) -> Row:
    line = [" "] * width
    for x, label in labels:
        line[x : x + len(label)] = label
    return _text(" " * GUTTER + "".join(line[:width]), AXIS)


def _cropped(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def _text(text: str, ink: str) -> Row:
    return [Cell(character, ink) for character in text]
