"""Pinned plans side by side, in columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import wrap
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Static

from anatomy.render.palette import CATEGORY_LETTERS
from anatomy.tui.compare.rows import NOT_THERE, ComparedRow, Pin, comparison_rows
from anatomy.tui.vim import PAGE_KEYS

SMALLEST, BASE = "▾", "◆"
"""Marks of the smallest number in a row, and of the pin that the others are held against."""
NOTHING = "Nothing is pinned yet: P pins the plan that you see; change the recipe, and pin again."
LABELS, FEW_LABELS, LEAST, MOST = 23, 20, 26, 60
"""Columns of the labels, also where there are few; least and most columns of a pin: the least has room for a number
with its difference, so that two pins stand on 80 columns."""
TITLE_LINES = 4
"""Lines that a pin's name may take."""
_PADDING, _SCROLLBAR = 1, 2
"""Columns that the table puts on either side of a cell, and its scrollbar's."""
_LETTERS = {category.value: letter for category, letter in CATEGORY_LETTERS.items()}


class Columns(DataTable[Text], inherit_bindings=True):
    """The table itself, with vim's keys; left and right go from pin to pin."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Back to this recipe"),
        Binding("h", "cursor_left", "Left", show=False),
        Binding("l", "cursor_right", "Right", show=False),
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g,ctrl+home", "to(False)", "Top", show=False),
        Binding("G,ctrl+end", "to(True)", "Bottom", show=False),
        *PAGE_KEYS,
    ]

    @dataclass
    class Entered(Message):
        """Enter was pressed on a pin."""

    def action_select_cursor(self) -> None:
        """A click only points; enter means it."""
        self.post_message(self.Entered())

    def action_to(self, bottom: bool) -> None:
        """The first rows or the last; the pin stays."""
        self.scroll_to(y=self.max_scroll_y if bottom else 0, animate=False)


class CompareView(Vertical):
    """What was pinned. It changes nothing itself: it says which pin is to go, to move, or to be shown."""

    DEFAULT_CSS = """
    CompareView { height: 1fr; }
    CompareView > Columns { height: 1fr; background: $background; }
    CompareView > Static { height: auto; color: $text-muted; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "base", "Base"),
        Binding("x", "remove", "Remove"),
        Binding("H,less_than_sign", "move(-1)", "Move left", key_display="<"),
        Binding("L,greater_than_sign", "move(1)", "Move right", key_display=">"),
    ]

    @dataclass
    class Removed(Message):
        """A pin is to go."""

        index: int

    @dataclass
    class Moved(Message):
        """A pin is to stand elsewhere."""

        index: int
        to: int

    @dataclass
    class Recalled(Message):
        """The recipe is to be a pin's again."""

        index: int

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes=classes)
        self._drawn = False
        self._pins: tuple[Pin, ...] = ()
        self._gpu: str | None = None
        self._base: Pin | None = None

    def compose(self) -> ComposeResult:
        yield Columns(cursor_type="column", fixed_columns=1, cursor_foreground_priority="css")
        yield Static(NOTHING, markup=False)

    def on_mount(self) -> None:
        self._drawn = True
        self._fill()

    def show(self, pins: Sequence[Pin], *, gpu: str | None = None) -> None:
        """Show pinned plans. `gpu`: the one whose verdict is asked for; the base stays as long as it is pinned."""
        self._pins, self._gpu = tuple(pins), gpu
        self._fill()

    def focus(self, scroll_visible: bool = True) -> "CompareView":
        """The table gets the keys."""
        self.query_one(Columns).focus(scroll_visible)
        return self

    @property
    def base(self) -> int:
        """The pin that the others are held against: the first, unless another was marked."""
        return next((at for at, pin in enumerate(self._pins) if pin is self._base), 0)

    @property
    def rows(self) -> tuple[ComparedRow, ...]:
        """What is shown."""
        return comparison_rows(self._pins, base=self.base, gpu=self._gpu)

    @property
    def index(self) -> int | None:
        """The pin with the cursor; None where nothing is pinned."""
        if not self._pins:
            return None
        return min(max(0, self.query_one(Columns).cursor_column - 1), len(self._pins) - 1)

    def _fill(self, cursor: int | None = None) -> None:
        if not self._drawn:
            return
        table = self.query_one(Columns)
        at, top = (self.index or 0) if cursor is None else cursor, table.scroll_y
        table.clear(columns=True)
        self.query_one(Static).update(self._foot())
        if not self._pins:
            return
        room = self._room()
        titles = [wrap(self._title(number), room)[:TITLE_LINES] for number in range(len(self._pins))]
        table.header_height = max(map(len, titles))
        table.add_column(Text(""), width=self._labels)
        for title in titles:
            table.add_column(Text("\n".join(title), style="bold"), width=room)
        for number, (_, rows) in enumerate(groupby(self.rows, key=lambda row: row.section)):
            if number:
                table.add_row(*[Text("")] * (len(self._pins) + 1))
            for row in rows:
                table.add_row(*self._cells(row, room))
        table.move_cursor(column=min(at, len(self._pins) - 1) + 1, animate=False)
        table.scroll_to(y=top, animate=False)

    @property
    def _labels(self) -> int:
        return LABELS if self.size.width >= 100 else FEW_LABELS

    def _room(self) -> int:
        """Columns of a pin: what the screen leaves for each, but not less than one can read."""
        beside = self._labels + 2 * _PADDING + _SCROLLBAR
        each = (self.size.width - beside) // len(self._pins) - 2 * _PADDING
        return max(LEAST, min(MOST, each))

    def _title(self, number: int) -> str:
        return (f"{BASE} " if number == self.base else "") + self._pins[number].name

    def on_resize(self) -> None:
        """Texts have another room."""
        self._fill()

    def _cells(self, row: ComparedRow, room: int) -> list[Text]:
        whole = not row.is_part and row.kind == "bytes" and row.section == "peak"
        letter = f"{_LETTERS[row.label]} " if row.label in _LETTERS else "  " if row.is_part else ""
        label = Text(letter + row.label.replace("_", " "), style="bold" if whole else "")
        label.truncate(self._labels, overflow="ellipsis")
        cells = [label]
        for number, text in enumerate(row.texts()):
            least = number in row.least
            look = "bold" if least or whole else "dim" if text == NOT_THERE else ""
            to = "left" if row.kind == "text" else "right"
            cell = Text((f"{SMALLEST} " if least else "") + text, style=look, justify=to)  # type: ignore[arg-type]
            cell.truncate(room, overflow="ellipsis")
            cells.append(cell)
        return cells

    def _foot(self) -> Content:
        if not self._pins:
            return Content(NOTHING)
        return Content(
            f"{BASE} base; in brackets the difference from it; {SMALLEST} the least. Indented rows add up: categories to "
            "peak allocated, with the cache to peak reserved, with the context to what is on the device."
        )

    # What keys do

    def action_base(self) -> None:
        """Hold the others against this pin."""
        if self.index is not None:
            self._base = self._pins[self.index]
            self._fill()

    def action_remove(self) -> None:
        """Let this pin go."""
        if self.index is not None:
            self.post_message(self.Removed(self.index))

    def action_move(self, by: int) -> None:
        """This pin one place on; the cursor goes with it."""
        at = self.index
        if at is not None and 0 <= at + by < len(self._pins):
            self.post_message(self.Moved(at, at + by))
            self.query_one(Columns).move_cursor(column=at + by + 1, animate=False)

    @on(Columns.Entered)
    def _on_entered(self, event: Columns.Entered) -> None:
        event.stop()
        if self.index is not None:
            self.post_message(self.Recalled(self.index))
