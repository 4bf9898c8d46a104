"""The details of the row under the cursor."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from anatomy.memory.timeline import Category
from anatomy.render.palette import CATEGORY_COLORS
from anatomy.tui.tree.describe import Section, describe
from anatomy.tui.tree.marks import Marker
from anatomy.tui.tree.outline import Row
from anatomy.tui.tree.prose import Cell, set_lines
from anatomy.tui.vim import SCROLL_KEYS

_ROLES = {"title": "bold $text-primary", "name": "$text-muted", "text": ""}


class Details(VerticalScroll, can_focus=True):
    """Everything that is known of one row, to be scrolled through."""

    DEFAULT_CSS = """
    Details {
        height: 1fr;
        padding: 0 1;
        & > Static { height: auto; }
    }
    """
    BINDINGS = [  # noqa: RUF012 (as textual's own containers have it)
        *SCROLL_KEYS,
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self.sections: tuple[Section, ...] = ()
        """What is shown."""
        self.lines: list[list[Cell]] = []
        """The same, as set to the width."""
        self._item: int | None = None

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static()

    def show(self, marker: Marker, row: Row) -> None:
        """Describe a row; another row than before from its top."""
        self.sections = describe(marker, row)
        self._set()
        if self._item != row.item:
            self._item = row.item
            self.scroll_home(animate=False)

    def clear(self) -> None:
        """Describe nothing."""
        self.sections, self._item = (), None
        self._set()

    def on_resize(self) -> None:
        """Set to the new width."""
        self._set()

    @property
    def text(self) -> str:
        """What is shown, without colours."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self.lines)

    def _set(self) -> None:
        self.lines = set_lines(self.sections, self.scrollable_content_region.width)
        parts: list[Content | str | tuple[str, str]] = []
        for line in self.lines:
            parts += [(text, _style(role)) for text, role in line]
            parts.append("\n")
        self.query_one(Static).update(Content.assemble(*parts))


def _style(role: str | Category) -> str:
    return CATEGORY_COLORS[role] if isinstance(role, Category) else _ROLES[role]
