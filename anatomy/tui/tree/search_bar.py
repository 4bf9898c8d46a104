"""The line in which a search or a filter is typed; it takes effect letter by letter."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static


class SearchBar(Horizontal):
    """Hidden until `ask`. Says what was typed; enter keeps it, escape takes it back."""

    DEFAULT_CSS = """
    SearchBar {
        height: 1;
        display: none;
        & > Static { width: auto; color: $text-accent; }
        & > #search-count { color: $text-muted; padding: 0 1; }
        & > Input { width: 1fr; height: 1; border: none; padding: 0 1; }
        & > Input:focus { border: none; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "keep", "Keep", priority=True),
        Binding("escape", "leave", "Take back", priority=True),
    ]

    @dataclass
    class Typed(Message):
        """What is looked for now."""

        text: str
        to_filter: bool

    @dataclass
    class Closed(Message):
        """The bar is gone; `kept` says whether what was typed holds."""

        text: str
        to_filter: bool
        kept: bool

    def __init__(self, back_to: Widget, *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self.back_to = back_to
        """What has the keys when nothing is typed."""
        self.to_filter = False
        """Whether a filter is typed, not a search."""

    def compose(self) -> ComposeResult:
        """What it is, the text, how many matches."""
        yield Static("/", id="search-sign")
        yield Input(placeholder="name, component, class, 4096x4096, trainable", compact=True)
        yield Static("", id="search-count")

    def ask(self, to_filter: bool, text: str = "") -> None:
        """Show the bar, with a text to begin with. It has the keys at once: the next letter is meant for it."""
        self.to_filter = to_filter
        self.say(None, 0)
        field = self.query_one(Input)
        with field.prevent(Input.Changed):
            field.value = text
        self._show("filter " if to_filter else "/", typing=True)
        self.screen.set_focus(field)

    def rest(self, filtered: str) -> None:
        """Nothing is typed now: say what is filtered by, or go away where all is shown."""
        self._show(f"filter {filtered} (esc shows all)", typing=False)
        self.display = bool(filtered)

    def _show(self, sign: str, *, typing: bool) -> None:
        self.query_one("#search-sign", Static).update(Content(sign))
        self.query_one(Input).display = self.query_one("#search-count").display = typing
        self.display = True

    def say(self, count: int | None, at: int) -> None:
        """Show how many matches there are, and which one the cursor is on (0: none); None for nothing yet."""
        shown = "" if count is None else f"{at}/{count:,}" if at else f"{count:,}" if count else "none"
        self.query_one("#search-count", Static).update(Content(shown))

    def action_leave(self) -> None:
        """Close, and take back what was typed."""
        self._close(kept=False)

    def action_keep(self) -> None:
        """Close, and keep what was typed."""
        self._close(kept=True)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value, self.to_filter))

    def _close(self, *, kept: bool) -> None:
        self.display = False
        self.screen.set_focus(self.back_to)
        message = self.Closed(self.query_one(Input).value, self.to_filter, kept)
        self.post_message(message.set_sender(self))
