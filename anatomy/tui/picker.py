"""Which model? The catalog, the cache, this folder, or a name that is typed."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from anatomy.api import AtHand

_TITLES = {"run": "saved run", "folder": "this folder", "cache": "cache", "catalog": "catalog"}


def matching(found: Sequence[AtHand], typed: str) -> list[AtHand]:
    """Those whose reference has every typed word in it, in any case."""
    words = typed.lower().split()
    return [one for one in found if all(word in one.reference.lower() for word in words)]


class Picker(ModalScreen[str | None]):
    """Returns what was chosen or typed; None when it was closed."""

    DEFAULT_CSS = """
    Picker { align: center middle; }
    Picker > Vertical { width: 90%; max-width: 90; height: 80%; border: round $primary; background: $surface; padding: 0 1; }
    Picker OptionList, Picker OptionList:focus { height: 1fr; border: none; }
    Picker Label { color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close"),
        Binding("down", "down", "list", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.found: tuple[AtHand, ...] = ()

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Input(
                placeholder="hub id, folder, config.json, *.gguf, *.safetensors or a saved run", id="typed"
            )
            yield OptionList(id="found")
            yield Label("enter opens what is marked, or else what is typed; esc closes")

    def on_mount(self) -> None:
        self.query_one("#found", OptionList).loading = True
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
        options.clear_options()
        for one in matching(self.found, typed):
            line = Text.assemble(one.reference, "  ", (f"{_TITLES[one.kind]}  {one.note}", "dim"))
            options.add_option(Option(line, id=f"{one.kind}:{one.reference}"))

    @on(Input.Changed, "#typed")
    def _typing(self, event: Input.Changed) -> None:
        self._list(event.value)

    @on(Input.Submitted, "#typed")
    def _typed(self, event: Input.Submitted) -> None:
        """What is typed: a name of its own, unless it is part of exactly one that was found."""
        typed = event.value.strip()
        close = matching(self.found, typed)
        exact = any(one.reference == typed for one in close)
        if typed:
            self.dismiss(close[0].reference if len(close) == 1 and not exact and "/" not in typed else typed)

    @on(OptionList.OptionSelected, "#found")
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss((event.option_id or "").partition(":")[2])

    def action_down(self) -> None:
        """From the line to the list."""
        if self.focused is not None and self.focused.id == "typed":
            self.query_one("#found").focus()

    def action_close(self) -> None:
        """Choose nothing."""
        self.dismiss(None)
