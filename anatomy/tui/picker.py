"""Which model? The catalog, the cache, this folder, or a name that is typed."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from anatomy.api import AtHand
from anatomy.tui.dialog import Dialog, move

_TITLES = {
    "typed": "as it is typed",
    "run": "saved run",
    "folder": "this folder",
    "cache": "cache",
    "catalog": "catalog",
}


def matching(found: Sequence[AtHand], typed: str) -> list[AtHand]:
    """Those whose reference has every typed word in it, in any case."""
    words = typed.lower().split()
    return [one for one in found if all(word in one.reference.lower() for word in words)]


class Offer(NamedTuple):
    """A line of the list."""

    kind: str
    reference: str
    note: str


def offers(found: Sequence[AtHand], typed: str) -> list[Offer]:
    """What was found with the typed words, and what is typed itself, the likeliest first.

    A name or a path of its own stands first, a word that others have in them last.
    """
    typed = typed.strip()
    close = [Offer(one.kind, one.reference, one.note) for one in matching(found, typed)]
    exact = [one for one in close if one.reference == typed]
    if not typed or exact:
        return exact + [one for one in close if one not in exact]
    own = [Offer("typed", typed, "")]
    return own + close if "/" in typed else close + own


class Picker(Dialog[str | None]):
    """Returns what was chosen or typed; None when it was closed."""

    DEFAULT_CSS = """
    Picker { align: center middle; }
    Picker > Vertical { width: 90%; max-width: 90; height: 80%; border: round $primary; background: $surface; padding: 0 1; }
    Picker Input, Picker Input:focus { border: none; height: 1; padding: 0 1; margin: 0 0 1 0; background: $boost; }
    Picker OptionList, Picker OptionList:focus { height: 1fr; border: none; }
    Picker Label { color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("down,ctrl+n", "move(1)", "Down", show=False, priority=True),
        Binding("up,ctrl+p", "move(-1)", "Up", show=False, priority=True),
        Binding("pagedown,ctrl+d", "move(10)", "Page down", show=False, priority=True),
        Binding("pageup,ctrl+u", "move(-10)", "Page up", show=False, priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.found: tuple[AtHand, ...] = ()
        self._offered: list[Offer] = []

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Input(
                placeholder="hub id, folder, config.json, *.gguf, *.safetensors or a saved run", id="typed"
            )
            yield OptionList(id="found")
            yield Label("↑↓ choose, enter opens what is marked; esc closes")

    def on_mount(self) -> None:
        self.query_one("#found", OptionList).loading = True
        self.query_one("#typed").focus()
        self._look()

    @work(thread=True, exclusive=True)
    def _look(self) -> None:
        """Reads folders and the catalog, which takes a moment."""
        from anatomy.api import at_hand

        found = at_hand()
        self.app.call_from_thread(self._show_found, found)

    def _show_found(self, found: tuple[AtHand, ...]) -> None:
        self.found = found
        self.query_one("#found", OptionList).loading = False
        self._list(self.query_one("#typed", Input).value)

    def _list(self, typed: str) -> None:
        options = self.query_one("#found", OptionList)
        self._offered = offers(self.found, typed)
        options.set_options([self._line(one) for one in self._offered])
        options.highlighted = 0 if typed.strip() and self._offered else None

    @staticmethod
    def _line(one: Offer) -> Option:
        text = Text.assemble(one.reference, "  ", (f"{_TITLES[one.kind]}  {one.note}", "dim"))
        return Option(text, id=f"{one.kind}:{one.reference}")

    @on(Input.Changed, "#typed")
    def _typing(self, event: Input.Changed) -> None:
        self._list(event.value)

    @on(Input.Submitted, "#typed")
    def _typed(self, event: Input.Submitted) -> None:
        """What is marked; before anything is listed, what is typed."""
        marked = self.query_one("#found", OptionList).highlighted
        if marked is not None:
            self.dismiss(self._offered[marked].reference)
        elif event.value.strip():
            self.dismiss(event.value.strip())

    @on(OptionList.OptionSelected, "#found")
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._offered[event.option_index].reference)

    def action_move(self, by: int) -> None:
        """Another line; the keys stay in the text."""
        move(self.query_one("#found", OptionList), by)

    def action_close(self) -> None:
        """Choose nothing."""
        self.dismiss(None)
