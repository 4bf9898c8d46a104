"""The line in which a search or a filter is typed; it takes effect letter by letter."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
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
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave the search")]

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

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self.to_filter = False
        """Whether a filter is typed, not a search."""

    def compose(self) -> ComposeResult:
        """What it is, the text, how many matches."""
        yield Static("/", id="search-sign")
        yield Input(placeholder="name, component, class, 4096x4096, trainable", compact=True)
        yield Static("", id="search-count")

    def ask(self, to_filter: bool, text: str = "") -> None:
        """Show the bar, with a text to begin with."""
        self.to_filter = to_filter
        self.query_one("#search-sign", Static).update(Content("filter " if to_filter else "/"))
        self.say(None, 0)
        self.display = True
        field = self.query_one(Input)
        with field.prevent(Input.Changed):
            field.value = text
        field.focus()

    def say(self, count: int | None, at: int) -> None:
        """Show how many matches there are, and which one the cursor is on (0: none); None for nothing yet."""
        shown = "" if count is None else f"{at}/{count:,}" if at else f"{count:,}" if count else "none"
        self.query_one("#search-count", Static).update(Content(shown))

    def action_leave(self) -> None:
        """Close, and take back what was typed."""
        self._close(kept=False)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value, self.to_filter))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close(kept=True)

    def _close(self, *, kept: bool) -> None:
        self.display = False
        message = self.Closed(self.query_one(Input).value, self.to_filter, kept)
        self.post_message(message.set_sender(self))
