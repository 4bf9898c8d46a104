"""Tables that can be read by anyone: a caption, heads with their scope, a total as foot, room to scroll in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anatomy.render.html.markup import Markup, element

DEEPEST = 8
"""Levels of a tree that are set in further and further."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One cell."""

    text: str = ""
    value: Any = None
    """The value itself; numbers are kept whole, to sort by."""
    right: bool = False
    keep: bool = False
    """Whether it may not be broken over lines."""
    markup: Markup | None = None
    """What stands there in place of text."""
    depth: int | None = None
    """How deep in a tree; None outside of one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table, ready to be written."""

    name: str
    """What a screen reader calls it."""
    heads: Sequence[tuple[str, bool]]
    """(title, whether its column is aligned to the right)"""
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] | None = None
    best: int | None = None
    caption: str = ""
    """A remark under it."""
    sortable: bool = False
    """Whether rows may be put in another order; those of a tree may not."""
    filterable: bool = False
    """Whether there is a box to filter rows by."""


def grid(table: Grid, id_: str) -> Markup:
    """The table in a box of its own, which scrolls where it is wider than the page."""
    headed = any(title for title, _ in table.heads)
    body = element(
        "table",
        element("caption", table.name, class_="unseen"),
        element("thead", element("tr", list(_heads(table)))) if headed else None,
        element("tbody", [_row(row, index == table.best) for index, row in enumerate(table.rows)]),
        element("tfoot", _row(table.total, False)) if table.total is not None else None,
        id=id_,
        data_sortable=table.sortable,
        data_filterable=table.filterable,
    )
    box = element("div", body, class_="scroll", role="group", aria_label=table.name, tabindex=0)
    return element(
        "div", box, element("p", table.caption, class_="caption") if table.caption else None, class_="table"
    )


def _heads(table: Grid) -> Iterator[Markup]:
    for title, right in table.heads:
        if title:
            yield element("th", title, scope="col", class_="right" if right else None)
        else:
            yield element("td")


def _row(cells: Sequence[Cell], best: bool) -> Markup:
    return element(
        "tr", [_cell(cell, first=not at) for at, cell in enumerate(cells)], class_="best" if best else None
    )


def _cell(cell: Cell, *, first: bool) -> Markup:
    number = isinstance(cell.value, int | float) and not isinstance(cell.value, bool)
    depth = None if cell.depth is None else f"depth-{min(cell.depth, DEEPEST)}"
    looks = [
        name
        for name, wanted in (("right", cell.right), ("keep", cell.keep), (depth, depth))
        if wanted and name
    ]
    return element(
        "th" if first else "td",
        cell.text if cell.markup is None else cell.markup,
        scope="row" if first else None,
        class_=" ".join(looks) or None,
        data_value=cell.value if number else None,
    )
