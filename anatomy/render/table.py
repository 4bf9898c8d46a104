"""A table in a terminal."""

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from anatomy.documents.document import Column, Table
from anatomy.render.lines import GAP, dim, grid, heading
from anatomy.render.style import Style

LEAST_OPTIONAL = 40
"""A column that may be left out is, when there is not this much room for it."""


def table(block: Table, style: Style) -> Iterator[RenderableType]:
    """A table as wide as the style, without the optional columns that there is no room for, and what was left out."""
    if block.title:
        yield heading(block.title)
    marked = block.best is not None
    chosen = tuple(range(len(block.rows))) if block.brief is None else block.brief
    lines = [block.texts(block.rows[index]) for index in chosen]
    if block.total is not None:
        lines.append(block.texts(block.total))
    kept = columns_with_room(block.columns, lines, style.width - GAP * marked)
    drawn = grid(tuple(block.columns[column] for column in kept), marked=marked)
    for position, line in enumerate(lines):
        index = chosen[position] if position < len(chosen) else None
        best = marked and index == block.best
        look = "bold" if index is None else "bold green" if best else ""
        mark = ["→" if best else ""] if marked else []
        drawn.add_row(*(Text(text) for text in (*mark, *(line[column] for column in kept))), style=look)
    yield drawn
    yield from _remarks(block, style, hidden=len(block.rows) - len(chosen), kept=kept)


def columns_with_room(
    columns: tuple[Column, ...], lines: list[tuple[str, ...]], width: int
) -> tuple[int, ...]:
    """The columns to show: all, or without those optional ones, the last first, that would be squeezed."""
    widths = [
        max(map(cell_len, (column.title, *(line[i] for line in lines)))) for i, column in enumerate(columns)
    ]
    room = (
        width + GAP - sum(w + GAP for w, column in zip(widths, columns, strict=True) if not column.optional)
    )
    kept = []
    for i, column in enumerate(columns):
        wanted = min(widths[i], LEAST_OPTIONAL) + GAP if column.optional else 0
        if wanted <= room or not column.optional:
            kept.append(i)
            room -= wanted
    return tuple(kept)


def left_out(columns: tuple[Column, ...], kept: tuple[int, ...]) -> list[str]:
    """In words, the columns that are not kept."""
    titles = [column.title for i, column in enumerate(columns) if i not in kept]
    return (
        [f"column {', '.join(titles)}" if len(titles) == 1 else f"columns {', '.join(titles)}"]
        if titles
        else []
    )


def _remarks(block: Table, style: Style, *, hidden: int, kept: tuple[int, ...]) -> Iterator[RenderableType]:
    """What a table left out, and its caption."""
    more = [f"{hidden} more"] if hidden else []
    more += left_out(block.columns, kept)
    if more:
        yield dim(f"{', '.join(more)}: with --format md, csv or json")
    if block.caption:
        yield dim(block.caption)
