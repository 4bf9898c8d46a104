"""A timeline in a terminal that has room for it: the picture of memory as lines of text, and what its colours mean."""

from collections.abc import Iterator
from itertools import groupby

from rich.console import RenderableType
from rich.padding import Padding
from rich.style import Style as Look
from rich.text import Text

from anatomy.documents.charts import MemoryTimeline
from anatomy.render import picture as pictures
from anatomy.render.palette import CATEGORY_COLORS, CATEGORY_LETTERS, readable_on
from anatomy.render.picture import Cell, Row, picture
from anatomy.render.style import Style

MOST = 150
"""Columns that a picture takes, at most."""
ROWS = 9
"""Rows of the area itself."""

_COLORS = {category.value: color for category, color in CATEGORY_COLORS.items()}
_MARKS = {
    pictures.AXIS: Look(dim=True),
    pictures.RESERVED: Look(dim=True),
    pictures.PEAK: Look(bold=True),
    pictures.REST: Look(bold=True),
    pictures.CAPACITY: Look(color="red", bold=True),
    pictures.OVER: Look(color="red", bold=True),
}


def timeline_lines(chart: MemoryTimeline, style: Style) -> Iterator[RenderableType]:
    """The picture from the top down, and the letters of its categories; nothing where the terminal is too narrow."""
    if style.width < pictures.LEAST:
        return
    columns = min(style.width - 2 * style.ascii, MOST) - pictures.GUTTER  # '…' is three characters in ASCII
    drawn = chart.resampled(columns)
    letters = style.ascii or not style.color
    for row in picture(
        drawn.sampled, chart.scene, height=pictures.ABOVE + ROWS + pictures.BELOW, letters=letters
    ):
        yield _line(row)
    yield _key(drawn, letters)


def _line(row: Row) -> Text:
    line = Text(no_wrap=True)
    for look, cells in groupby(row, _look):
        line.append("".join(cell.character for cell in cells), look)
    return line


def _look(cell: Cell) -> Look:
    if cell.ground in _COLORS:
        ground = _COLORS[cell.ground]
        return Look(color=_COLORS.get(cell.ink, readable_on(ground)), bgcolor=ground)
    if cell.ink in _COLORS:
        return Look(color=_COLORS[cell.ink])
    return _MARKS.get(cell.ink, Look())


def _key(chart: MemoryTimeline, letters: bool) -> RenderableType:
    """Each category with its letter, on its colour where there are colours; under the area."""
    key = Text()
    for category in chart.categories:
        color = CATEGORY_COLORS[category]
        look = Look() if letters else Look(color=readable_on(color), bgcolor=color)
        key.append(CATEGORY_LETTERS[category], look)
        key.append(f" {category.value}  ")
    return Padding(key, (0, 0, 0, pictures.GUTTER))
