"""Saved runs: a list of them, and the selected one measured beside predicted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Static

from anatomy.documents.profile.tables import SIGN
from anatomy.render.style import Style
from anatomy.render.terminal import painted
from anatomy.tui.runs.saved import HEADINGS, NUMBERS, SavedRun, UnreadRun, detail_blocks, list_texts
from anatomy.tui.vim import ROW_KEYS, SCROLL_KEYS

SIDE_BY_SIDE = 150
"""Columns from which on the list stands beside the run."""
LONGEST = {"model": 32, "recipe": 44, "device": 24}
"""Columns of texts in the list."""
NOTHING = "No saved run was found: `anatomy profile MODEL --save run.json.xz` makes one."


class List(DataTable[Text], inherit_bindings=True):
    """The runs, with vim's keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Take this recipe"),
        *ROW_KEYS,
    ]

    @dataclass
    class Entered(Message):
        """Enter was pressed on a run."""

    def action_select_cursor(self) -> None:
        """A click only points; enter means it."""
        self.post_message(self.Entered())


class Detail(VerticalScroll):
    """One run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *SCROLL_KEYS,
    ]


class RunsView(Container):
    """Measurements beside their predictions."""

    DEFAULT_CSS = """
    RunsView { height: 1fr; layout: vertical; }
    RunsView > List { height: auto; max-height: 40%; background: $background; }
    RunsView > #state { height: auto; padding: 0 1; color: $text-muted; }
    RunsView > Detail { height: 1fr; border-top: solid $foreground 30%; padding: 0 1; scrollbar-gutter: stable; }
    RunsView > Detail:focus { border-top: solid $primary; }
    RunsView > Detail > Static { width: 100%; height: auto; }
    RunsView.-wide { layout: grid; grid-size: 2; grid-columns: 4fr 5fr; grid-rows: auto 1fr; }
    RunsView.-wide > #state { column-span: 2; }
    RunsView.-wide > List { height: 100%; max-height: 100%; }
    RunsView.-wide > Detail { height: 100%; border-top: none; border-left: solid $foreground 30%; }
    RunsView.-wide > Detail:focus { border-left: solid $primary; }
    """

    @dataclass
    class Recalled(Message):
        """The recipe of a saved run is to be the one on the desk."""

        path: str

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes=classes)
        self._drawn = False
        self._runs: tuple[SavedRun | UnreadRun, ...] = ()
        self._progress = ""
        self._wanted = ""
        """The file of a run that is to have the cursor once it is there."""

    def compose(self) -> ComposeResult:
        yield Static("", id="state", markup=False)
        yield List(cursor_type="row", cursor_foreground_priority="css")
        with Detail():
            yield Static("", markup=False)

    def on_mount(self) -> None:
        self._drawn = True
        self._fill()

    def show(self, runs: Sequence[SavedRun | UnreadRun], *, progress: str = "") -> None:
        """Show runs. `progress`: which file is being read, while some are."""
        path = self.selected.path if self._drawn and self.selected is not None else None
        self._runs, self._progress = tuple(runs), progress
        self._fill(self._wanted if any(run.path == self._wanted for run in self._runs) else path)

    def focus(self, scroll_visible: bool = True) -> "RunsView":
        """The list gets the keys."""
        self.query_one(List).focus(scroll_visible)
        return self

    def select(self, path: str) -> None:
        """Put the cursor on the run of a file; where it is still to come, once it is there."""
        paths = [run.path for run in self._runs]
        self._wanted = "" if path in paths else path
        if path in paths:
            self.query_one(List).move_cursor(row=paths.index(path), animate=False)

    @property
    def selected(self) -> SavedRun | UnreadRun | None:
        """The run with the cursor."""
        row = self.query_one(List).cursor_row
        return self._runs[row] if 0 <= row < len(self._runs) else None

    def _fill(self, path: str | None = None) -> None:
        if not self._drawn:
            return
        table = self.query_one(List)
        table.clear(columns=True)
        for heading in HEADINGS:
            table.add_column(Text(heading, justify="right" if heading in NUMBERS else "left"))
        for cells in list_texts(self._runs):
            table.add_row(*(_cell(heading, text) for heading, text in zip(HEADINGS, cells, strict=True)))
        if path is not None:
            self.select(path)
        self.query_one("#state", Static).update(self._state())
        self._detail()

    def _state(self) -> Content:
        if self._progress:
            return Content(f"⟳ {self._progress}")
        return Content(f"{len(self._runs)} saved; {SIGN}" if self._runs else NOTHING)

    def _detail(self) -> None:
        run, pane = self.selected, self.query_one(Detail)
        width = max(30, pane.scrollable_content_region.width)
        parts = []
        for block in () if run is None else detail_blocks(run):
            parts += [*painted(block, Style(width=width, color=True)), Text("")]
        pane.query_one(Static).update(Group(*parts))

    def on_resize(self, event: events.Resize) -> None:
        """The list beside the run, where there is room."""
        self.set_class(event.size.width >= SIDE_BY_SIDE, "-wide")
        self.call_after_refresh(self._detail)

    @on(DataTable.RowHighlighted)
    def _on_pointed(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self._detail()
        self.query_one(Detail).scroll_home(animate=False)

    @on(List.Entered)
    def _on_entered(self, event: List.Entered) -> None:
        event.stop()
        if isinstance(self.selected, SavedRun):
            self.post_message(self.Recalled(self.selected.path))


def _cell(heading: str, text: str) -> Text:
    cell = Text(text, justify="right" if heading in NUMBERS else "left")
    if heading in LONGEST:
        cell.truncate(LONGEST[heading], overflow="ellipsis")
    return cell
