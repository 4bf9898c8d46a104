"""A row of the tree as text: which columns there is room for, and what stands in them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from anatomy.documents.document import share_of
from anatomy.tui.tree.fold import Fold
from anatomy.tui.tree.marks import MARK_WIDTH, Marker
from anatomy.tui.tree.outline import Row
from anatomy.tui.tree.view import View
from anatomy.units import format_bytes, format_count

Cell = tuple[str, str]
"""(text, role): the role says how it is drawn, e.g. 'guide', 'label', 'bar'."""
LEAST_LABEL = 18
"""Columns of the tree itself, before any other is given room ..."""
ROOMY_LABEL = 30
"""... and before those that are nice to have are."""
LEAST_BAR, WIDEST_BAR = 6, 20
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_GLYPHS = {Fold.CLOSED: "▸", Fold.OPEN: "▾", Fold.SPLIT: "▾"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column beside the tree."""

    name: str
    title: str
    width: int
    label: int = LEAST_LABEL
    """Columns that the tree keeps when this one is shown."""
    needs: str = ""
    """What has to be known for it: 'bytes' or 'plan'."""


COLUMNS: tuple[Column, ...] = (
    Column(name="parameters", title="params", width=8),
    Column(name="marks", title="mark", width=MARK_WIDTH),
    Column(name="bar", title="share", width=LEAST_BAR),
    Column(name="stored", title="stored", width=10, needs="bytes"),
    Column(name="peak", title="at peak", width=10, needs="plan"),
    Column(name="percent", title="", width=8, label=24),
    Column(name="component", title="component", width=16, label=ROOMY_LABEL),
    Column(name="kind", title="class", width=24, label=ROOMY_LABEL),
)
"""In the order in which they get room; the first that has none ends the row."""
_SHOWN = ("marks", "parameters", "bar", "percent", "stored", "peak", "component", "kind")
"""The order in which they stand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The columns of one width."""

    label: int
    columns: tuple[Column, ...]
    """Left to right, a blank before each."""
    bar: int = LEAST_BAR
    """Width of the share bar, which takes some of what is left over."""
    width: int

    @property
    def header(self) -> str:
        """The titles above the columns."""
        titles = [
            title.ljust(width) if name in ("bar", "component", "kind", "marks") else title.rjust(width)
            for name, title, width in ((c.name, c.title, self.width_of(c)) for c in self.columns)
        ]
        return set_cell_size(" ".join([set_cell_size("  module", self.label), *titles]), self.width)

    def width_of(self, column: Column) -> int:
        """Cells that a column takes."""
        return self.bar if column.name == "bar" else column.width


def layout(width: int, known: frozenset[str] = frozenset()) -> Layout:
    """The columns that fit a width. `known`: of 'bytes' and 'plan' what there is to show."""
    chosen: list[Column] = []
    used = 0
    for column in COLUMNS:
        if column.needs and column.needs not in known:
            continue
        if width - used - column.width - 1 < column.label:
            break
        chosen.append(column)
        used += column.width + 1
    chosen.sort(key=lambda column: _SHOWN.index(column.name))
    spare = max(0, width - used - ROOMY_LABEL)
    has_bar = any(column.name == "bar" for column in chosen)
    wider = min(WIDEST_BAR - LEAST_BAR, spare // 2) if has_bar else 0
    return Layout(
        label=max(1, width - used - wider), columns=tuple(chosen), bar=LEAST_BAR + wider, width=max(0, width)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Painter:
    """Puts rows into words, for one state of the view."""

    view: View
    marker: Marker
    layout: Layout
    of_parent: bool = False
    """Whether bars are shares of what a row stands in, not of the model."""

    def cells(self, item: int) -> list[Cell]:
        """A row, as wide as the layout."""
        row = self.view.row(item)
        found = list(self._label(row))
        for column in self.layout.columns:
            found.append((" ", "gap"))
            found.extend(self._column(column, row))
        return found

    def glyph_at(self, item: int) -> int:
        """Where a row's sign of folding stands."""
        return len(self._guides(item))

    def text(self, item: int) -> str:
        """The same, without roles."""
        return "".join(text for text, _ in self.cells(item))

    def _guides(self, item: int) -> str:
        """A stroke for every row that this one stands in; half as wide where the tree has little room."""
        depth = len(self.view.indent(item))
        step = "│ " if self.layout.label >= ROOMY_LABEL - 4 else "│"
        return (step * depth)[: max(0, self.layout.label - 12)]

    def _label(self, row: Row) -> Iterator[Cell]:
        outline, room = self.view.outline, self.layout.label
        guides = self._guides(row.item)
        glyph = _GLYPHS[self.view.fold(row.item)] if self.view.can_open(row.item) else " "
        times = f" ×{row.times:,}" if row.times > 1 else ""
        left = room - len(guides) - 2
        name = shorten(printable(row.label), max(1, left - len(times)))
        yield guides[:room], "guide"
        yield f"{glyph} "[: max(0, room - len(guides))], "glyph"
        if left <= 0:
            return
        role = "parameter" if outline.owns[row.item] is not None else "label"
        yield set_cell_size(name, min(cell_len(name), left)), role
        rest = left - min(cell_len(name), left)
        yield set_cell_size(times, rest), "times"

    def _column(self, column: Column, row: Row) -> Iterator[Cell]:
        if column.name == "marks":
            for letter in self.marker.marks(row).letters:
                yield letter, f"mark {letter}"
            return
        if column.name == "bar":
            yield bar(row.parameters, self._whole(row), self.layout.bar), f"bar {self._family(row)}"
            return
        text, role = _TEXTS[column.name](self, row)
        fitted = shorten(text, column.width)
        pad = " " * (column.width - cell_len(fitted))
        yield (
            (fitted + pad if role == "word" else pad + fitted),
            (f"{role} {self._family(row)}" if role == "word" else role),
        )

    def _whole(self, row: Row) -> int:
        above = self.view.indent(row.item) if self.of_parent else []
        return self.view.row(above[-1] if above else 0).parameters

    def _family(self, row: Row) -> str:
        return self.view.outline.component(row.item).partition(".")[0]

    def _stored(self, row: Row) -> str:
        size = self.view.outline.stored_bytes(row.parameters)
        return "" if size is None else short_bytes(size)

    def _peak(self, row: Row) -> str:
        shares = self.marker.shares
        if shares is None or self.view.outline.owns[row.item] is not None:
            return ""
        return short_bytes(shares.peak_total(row))


_TEXTS: dict[str, Callable[[Painter, Row], Cell]] = {
    "parameters": lambda p, row: (format_count(row.parameters), "number"),
    "percent": lambda p, row: (percent(row.parameters, p._whole(row)), "number"),
    "stored": lambda p, row: (p._stored(row), "number"),
    "peak": lambda p, row: (p._peak(row), "number"),
    "component": lambda p, row: (p.view.outline.component(row.item), "word"),
    "kind": lambda p, row: (printable(p.view.outline.kind(row.item)), "kind"),
}


def bar(part: int, whole: int, width: int) -> str:
    """A share as a bar, in eighths of a cell; the least there is of what is more than nothing."""
    eighths = round(8 * width * part / whole) if whole else 0
    eighths = max(min(eighths, 8 * width), 1 if part else 0)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def percent(part: int, whole: int) -> str:
    """A share in eight cells: '< 0.01 %' of what is less."""
    return share_of(part, whole) if part else "0 %"


def shorten(text: str, width: int) -> str:
    """A text of at most so many cells; what was cut is an ellipsis in the middle, since names differ at their ends."""
    if cell_len(text) <= width:
        return text
    if width < 5:
        return set_cell_size(text, max(0, width))
    tail = (width - 1) // 2
    end = text[-tail:]
    while cell_len(end) > tail:
        end = end[1:]
    return f"{set_cell_size(text, width - 1 - cell_len(end)).rstrip()}…{end}"


def printable(name: str) -> str:
    """A name from a file, without what a terminal would obey."""
    return name if name.isprintable() else "".join(c if c.isprintable() else "�" for c in name)


def short_bytes(count: int) -> str:
    """A byte count in ten cells: '1,023 MiB' where '1,023.99 MiB' is too long."""
    text = format_bytes(count)
    return text if len(text) <= 10 else re.sub(r"\.\d+", "", text)
