"""The table of what is alive at the cursor, and who owns it."""

from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from anatomy.documents.document import share_of
from anatomy.memory.alive import Alive, AliveCursor
from anatomy.memory.allocator import Replay
from anatomy.memory.timeline import Category
from anatomy.tui.memory import inks
from anatomy.tui.memory.rows import AliveRow, Key, headline, rows
from anatomy.units import bytes_column

NUMBERS = 12 + 10 + 9
"""Columns of bytes, share and blocks."""


class AliveList(ScrollView, can_focus=True, inherit_bindings=False):
    """The rows; categories unfold into components and modules."""

    DEFAULT_CSS = """
    AliveList {
        height: 1fr;
        & > .alive-list--muted { color: $text-muted; }
        & > .alive-list--cursor { background: $block-cursor-blurred-background; text-style: bold; }
        &:focus > .alive-list--cursor { text-style: reverse; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"alive-list--muted", "alive-list--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "row(-1)", "Up", show=False),
        Binding("down,j", "row(1)", "Down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("g", "end(-1)", "First row", show=False),
        Binding("G", "end(1)", "Last row", show=False),
        Binding("enter,space", "unfold", "Unfold", key_display="⏎"),
        Binding("s", "sort", "Sort"),
    ]

    row: reactive[int] = reactive(0, init=False)
    """The row that the cursor is on."""
    by_name: reactive[bool] = reactive(False, init=False)
    """Sorted by name instead of by size."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[AliveRow, ...] = ()
        self.unfolded: set[Key] = set()
        """What is unfolded; kept while the instant changes."""
        self._alive: Alive | None = None
        self._total = 0
        self._size_shown = bytes_column(())
        self._looks: tuple[Style, Style, Style] | None = None

    def show(self, alive: Alive | None) -> None:
        """Show another instant; the cursor stays on the row that is about the same, where there is one."""
        key = self.rows[self.row].key if self.row < len(self.rows) else ()
        self._alive = alive
        self.rows = () if alive is None else rows(alive, self.unfolded, by_name=self.by_name)
        self._total = sum(row.owned.bytes for row in self.rows if not row.depth)
        self._size_shown = bytes_column(row.owned.bytes for row in self.rows)
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.rows))
        self.row = next(
            (at for at, row in enumerate(self.rows) if row.key == key),
            max(0, min(self.row, len(self.rows) - 1)),
        )
        self.refresh()

    def validate_row(self, row: int) -> int:
        """A row that is there."""
        return max(0, min(row, len(self.rows) - 1))

    def watch_row(self) -> None:
        """Keep the cursor in sight."""
        self.scroll_to_region(Region(0, self.row, 1, 1), animate=False, force=True)
        self.refresh()

    def watch_by_name(self) -> None:
        """In the other order."""
        self.show(self._alive)

    def action_row(self, by: int) -> None:
        """Up or down."""
        self.row += by

    def action_page(self, by: int) -> None:
        """Up or down by what is shown."""
        self.row += by * max(1, self.size.height - 1)

    def action_end(self, last: int) -> None:
        """To the first or the last row."""
        self.row = 0 if last < 0 else len(self.rows) - 1

    def action_sort(self) -> None:
        """By size or by name."""
        self.by_name = not self.by_name

    def action_unfold(self) -> None:
        """Show the parts of the row at the cursor, or hide them; of a module, those beside it."""
        if self.rows:
            row = self.rows[self.row]
            self.toggle(row.key if row.unfolded is not None else row.key[:-1])

    def toggle(self, key: Key) -> None:
        """Unfold or fold what a row is about, and go to it."""
        self.unfolded ^= {key}
        self.show(self._alive)
        self.row = next((at for at, row in enumerate(self.rows) if row.key == key), self.row)

    def on_click(self, event: events.Click) -> None:
        """The cursor goes to the row; a row that has the cursor unfolds."""
        at = int(self.scroll_offset.y) + event.get_content_offset_capture(self).y
        if at < len(self.rows):
            if at == self.row:
                self.action_unfold()
            else:
                self.row = at

    def notify_style_update(self) -> None:
        """Another theme has other colours."""
        self._looks = None
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """One row."""
        if self._looks is None:
            parts = ("alive-list--muted", "alive-list--cursor")
            muted, cursor = (self.get_component_rich_style(part, partial=True) for part in parts)
            self._looks = self.rich_style, muted, cursor
        plain, muted, cursor = self._looks
        at, width = int(self.scroll_offset.y) + y, self.size.width
        if at >= len(self.rows):
            return Strip.blank(width, plain)
        strip = Strip(self._segments(self.rows[at], width, muted)).adjust_cell_length(width, plain)
        return strip.apply_style(plain + cursor if at == self.row else plain)

    def _segments(self, row: AliveRow, width: int, muted: Style) -> list[Segment]:
        """Fold mark, letter, name, bytes, share, blocks, bar."""
        owned, bar = row.owned, max(0, min(60, (width - NUMBERS) // 3))
        mark = {None: " ", True: "▾", False: "▸"}[row.unfolded]
        letter, color = inks.letter(owned.category)
        name = "  " * row.depth + mark + " "
        room = width - NUMBERS - bar - cell_len(name) - 3
        blocks = f"{owned.blocks:,} ×"
        return [
            Segment(name),
            Segment(letter, color),
            Segment(" " + set_cell_size(_end_of(row.name, room), max(0, room)) + " "),
            Segment(f"{self._size_shown(owned.bytes):>12}"),
            Segment(f" {share_of(owned.bytes, self._total):>9}", muted),
            Segment(f"{blocks:>8} ", muted),
            Segment(*_bar(owned.category, owned.bytes, self._total, bar)),
        ]


class AliveTable(Vertical):
    """What runs at an instant of a run, what is alive then, and who owns it."""

    DEFAULT_CSS = """
    AliveTable {
        height: 1fr;
        & > #alive-running { height: 1; text-style: bold; }
        & > #alive-levels { height: 1; color: $text-muted; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.list = AliveList()
        """The rows."""
        self.alive: Alive | None = None
        """What is shown."""
        self._cursor: AliveCursor | None = None

    def compose(self) -> ComposeResult:
        """Two lines about the instant, and the rows."""
        yield Static(id="alive-running")
        yield Static(id="alive-levels")
        yield self.list

    def show(self, replay: Replay) -> None:
        """Be about another run; `go` says which instant of it."""
        if self._cursor is None or self._cursor.replay is not replay:
            self._cursor, self.alive = AliveCursor(replay), None
            self._say("", "")
            self.list.show(None)

    def go(self, index: int) -> None:
        """Show what is alive after an entry of the run."""
        if self._cursor is None or (self.alive is not None and self.alive.index == index):
            return
        self.alive = self._cursor.at(index)
        self._say(*headline(self._cursor.replay, index))
        self.list.show(self.alive)

    def _say(self, running: str, levels: str) -> None:
        self.query_one("#alive-running", Static).update(Content(running), layout=False)
        self.query_one("#alive-levels", Static).update(Content(levels), layout=False)


def _end_of(name: str, room: int) -> str:
    """The end of a name that is too long: of a module's path that says most."""
    if cell_len(name) <= room:
        return name
    while name and cell_len(name) >= room:
        name = name[1:]
    return "…" + name


def _bar(category: Category, part: int, whole: int, width: int) -> tuple[str, Style]:
    """A share as a bar in the category's colour."""
    eighths = round(8 * width * part / whole) if whole else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip(), inks.ink(category.value) or Style()
