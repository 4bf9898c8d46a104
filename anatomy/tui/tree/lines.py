"""Lines with a cursor and titles above: drawn when they are looked at, however many there are."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from anatomy.tui.tree.columns import Cell
from anatomy.tui.tree.styles import COMPONENTS, STYLES, class_of


class Lines(ScrollView, can_focus=True):
    """A list of items by number, of which only those in sight are put into words."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(COMPONENTS)
    DEFAULT_CSS = STYLES
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False),
        Binding("g,home", "edge(False)", "First", show=False),
        Binding("G,end", "edge(True)", "Last", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id, classes=classes)
        self.rows: Sequence[int] = ()
        """The items that are seen, top to bottom."""
        self.at = 0
        """The place of the cursor in them."""
        self._strips: dict[int, Strip] = {}

    def header(self) -> str:
        """The titles, as wide as the lines."""
        raise NotImplementedError

    def cells(self, item: int) -> list[Cell]:
        """A line."""
        raise NotImplementedError

    def moved(self) -> None:
        """The cursor may be on another row."""
        raise NotImplementedError

    @property
    def line_width(self) -> int:
        """Cells that a line has."""
        return self.scrollable_content_region.width

    def repaint(self) -> None:
        """Draw everything anew: other rows, another width, other marks."""
        self._strips.clear()
        self.virtual_size = Size(self.line_width, len(self.rows) + 1)
        self.refresh()

    def on_resize(self) -> None:
        """Other columns have room; the cursor stays in sight."""
        self.repaint()
        self.scroll_to_cursor()

    def move_to(self, at: int) -> None:
        """The cursor to a place in the rows, or to the nearest that there is."""
        if self.rows:
            self.at = max(0, min(at, len(self.rows) - 1))
            self.refresh()
            self.scroll_to_cursor()
            self.moved()

    def scroll_to_cursor(self) -> None:
        """Scroll as little as shows the cursor."""
        height = max(1, self.scrollable_content_region.height - 1)
        top = self.scroll_offset.y
        if self.at < top:
            top = self.at
        elif self.at >= top + height:
            top = self.at - height + 1
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def notify_style_update(self) -> None:
        """Other colours: nothing drawn is kept."""
        super().notify_style_update()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """The titles, then the rows from where the view is scrolled to."""
        width = self.line_width
        if y == 0:
            return self._strip([(self.header(), "header")], None)
        at = y - 1 + self.scroll_offset.y
        if at >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        item = self.rows[at]
        if at == self.at:
            return self._strip(self.cells(item), self._style("cursor"))
        if item not in self._strips:
            self._strips[item] = self._strip(self.cells(item), None)
        return self._strips[item]

    def _strip(self, cells: list[tuple[str, str]], over: Style | None) -> Strip:
        styles = [(text, self._style(class_of(role))) for text, role in cells if text]
        return Strip([Segment(text, style + over if over else style) for text, style in styles])

    def _style(self, name: str) -> Style:
        if name == "cursor" and not self.has_focus:
            name = "cursor-blurred"
        return self.get_component_rich_style(f"module-tree--{name}")

    def action_move(self, by: int) -> None:
        """Rows up or down."""
        self.move_to(self.at + by)

    def action_page(self, pages: float) -> None:
        """Pages up or down."""
        height = self.scrollable_content_region.height - 1
        self.move_to(self.at + int(pages * max(2, height)))

    def action_edge(self, last: bool) -> None:
        """To the first row, or the last."""
        self.move_to(len(self.rows) if last else 0)
