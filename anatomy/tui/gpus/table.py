"""Every GPU with its verdict: sorted by any column, filtered, and chosen for the recipe."""

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import DataTable, Input, Static

from anatomy.documents.plan.run import FREED, HEADROOM
from anatomy.hardware.catalog import all_gpus
from anatomy.planning.plan import Plan
from anatomy.tui.gpus.rows import HEADINGS, MARKS, GpuRow, Order, arranged, gpu_rows, texts
from anatomy.tui.vim import ROW_KEYS

MAY = "may fit: its kernels differ from the rehearsed ones and can need more; enter rehearses its own"
"""What `documents.plan` says of it, with the key for the flag."""
_LOOKS = {"fits": "bold", "does not fit": "dim"}
"""Verdict -> how its row looks; its words say the same."""


class Rows(DataTable[Text], inherit_bindings=True):
    """The table itself, with vim's keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Plan for it"),
        *ROW_KEYS,
    ]


class GpuTable(Vertical):
    """The GPUs, and what a run takes on each."""

    DEFAULT_CSS = """
    GpuTable { height: 1fr; }
    GpuTable > Rows { height: 1fr; background: $background; }
    GpuTable > Input, GpuTable > Input:focus { border: none; height: 1; padding: 0 1; background: $boost; display: none; }
    GpuTable.-filtered > Input { display: block; }
    GpuTable > Static { height: auto; max-height: 4; color: $text-muted; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort by next"),
        Binding("S", "reverse", "Reverse"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("backspace", "all", "For all GPUs"),
        Binding("escape", "clear", "No filter", show=False),
    ]
    order: reactive[Order] = reactive(Order())
    """How it is sorted."""

    @dataclass
    class Chosen(Message):
        """The recipe is to be for this GPU; None for all of the catalog."""

        name: str | None

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes=classes)
        self._drawn = False
        self._all: tuple[GpuRow, ...] = gpu_rows(None, all_gpus())
        self._shown: tuple[GpuRow, ...] = ()
        self._stale = False

    def compose(self) -> ComposeResult:
        yield Input(placeholder="words of the name, verdict or remark", select_on_focus=False)
        yield Rows(cursor_type="row", zebra_stripes=False, cursor_foreground_priority="css")
        yield Static("", markup=False)

    def on_mount(self) -> None:
        self._drawn = True
        self._fill()

    def show(
        self,
        plan: Plan | None,
        *,
        earlier: Plan | None = None,
        chosen: str | None = None,
        stale: bool = False,
    ) -> None:
        """Show a plan's fits. `earlier`: the last plan for all GPUs, for those that `plan` is not about; `chosen`: the
        recipe's GPU; `stale`: whether a newer plan is on its way."""
        self._all = gpu_rows(plan, all_gpus(), earlier=earlier, chosen=chosen)
        self._stale = stale
        self._fill()

    @property
    def rows(self) -> tuple[GpuRow, ...]:
        """What is shown, top to bottom."""
        return self._shown

    def focus(self, scroll_visible: bool = True) -> "GpuTable":
        """The table gets the keys."""
        self.query_one(Rows).focus(scroll_visible)
        return self

    def watch_order(self) -> None:
        self._fill()

    def _fill(self) -> None:
        if not self._drawn:
            return
        table = self.query_one(Rows)
        here = self._shown[table.cursor_row].gpu if table.cursor_row < len(self._shown) else None
        self._shown = arranged(self._all, self.order, self.query_one(Input).value)
        table.clear(columns=True)
        table.add_column(Text(""), width=2)
        for heading in HEADINGS:
            arrow = ("↓" if self.order.reverse else "↑") if heading.name == self.order.by else ""
            title = Text(heading.title + arrow, justify="right" if heading.is_bytes else "left")
            table.add_column(title, key=heading.name)
        for row, cells in zip(self._shown, texts(self._shown), strict=True):
            table.add_row(*self._cells(row, cells))
        names = [row.gpu for row in self._shown]
        if here in names:
            table.move_cursor(row=names.index(here), animate=False)
        self.query_one(Static).update(self._foot())

    def _cells(self, row: GpuRow, cells: tuple[str, ...]) -> list[Text]:
        look = "dim" if self._stale or not row.current else _LOOKS.get(row.verdict, "")
        mark = ("●" if row.chosen else "→" if row.smallest else " ") + MARKS.get(row.verdict, " ")
        aligned = ["right" if heading.is_bytes else "left" for heading in HEADINGS]
        return [
            Text(mark, style="bold"),
            *(Text(text, style=look, justify=to) for text, to in zip(cells, aligned, strict=True)),  # type: ignore[arg-type]
        ]

    def _foot(self) -> Content:
        marks = "● chosen, → the smallest that will do" + (
            "; a newer plan is on its way" if self._stale else ""
        )
        sorted_by = next(heading.title for heading in HEADINGS if heading.name == self.order.by)
        way = ", backwards" if self.order.reverse else ""
        count = f"{len(self._shown)} of {len(self._all)} GPUs by {sorted_by}{way}; {marks}"
        notes = [HEADROOM]
        verdicts = {row.verdict for row in self._shown}
        notes += [FREED] if "fits after freeing cache" in verdicts else []
        notes += [MAY] if "may fit" in verdicts else []
        return Content(f"{count}. {'; '.join(notes)}.")

    # What keys do

    def action_sort(self) -> None:
        """By the next column."""
        self.order = self.order.next()

    def action_reverse(self) -> None:
        """The other way round."""
        self.order = Order(by=self.order.by, reverse=not self.order.reverse)

    def action_filter(self) -> None:
        """Type what to keep."""
        self.add_class("-filtered")
        self.query_one(Input).focus()

    def action_clear(self) -> None:
        """Keep everything."""
        self.query_one(Input).value = ""
        self.remove_class("-filtered")
        self.focus()

    def action_all(self) -> None:
        """The recipe is for all GPUs again."""
        self.post_message(self.Chosen(None))

    @on(DataTable.HeaderSelected)
    def _on_header(self, event: DataTable.HeaderSelected) -> None:
        event.stop()
        name = event.column_key.value
        if name == self.order.by:
            self.action_reverse()
        elif name in {heading.name for heading in HEADINGS}:
            self.order = Order(by=str(name))

    @on(DataTable.RowSelected)
    def _on_row(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if event.cursor_row < len(self._shown):
            self.post_message(self.Chosen(self._shown[event.cursor_row].gpu))

    @on(Input.Changed)
    def _on_typed(self, event: Input.Changed) -> None:
        event.stop()
        self._fill()

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.set_class(bool(event.value), "-filtered")
        self.focus()
