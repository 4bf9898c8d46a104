"""A list of values over the screen: type to narrow it, enter takes one."""

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option as Line

from anatomy.tui.dialog import Dialog, move
from anatomy.tui.recipe.fields import Option

Picked = tuple[Any] | str | None
"""A value of the list, alone in a tuple; what was typed in its stead; None for nothing."""


def narrowed(options: Iterable[Option], text: str) -> tuple[Option, ...]:
    """The options that a text finds: those that begin with it first, then those that have each of its words."""
    words = text.lower().split()
    found = [option for option in options if all(word in _searched(option) for word in words)]
    return tuple(sorted(found, key=lambda option: not option.text.lower().startswith(text.lower().strip())))


def _searched(option: Option) -> str:
    return f"{option.text} {option.note}".lower()


class PickList(Dialog[Picked]):
    """The values of one field."""

    DEFAULT_CSS = """
    PickList { align: center middle; background: $background 60%; }
    PickList > Vertical {
        width: 64; max-width: 94%; height: auto; max-height: 86%;
        border: round $primary; background: $surface; padding: 0 1;
    }
    PickList Input, PickList Input:focus {
        border: none; height: 1; padding: 0 1; margin: 0 0 1 0; background: $boost;
    }
    PickList OptionList, PickList OptionList:focus {
        border: none; height: auto; max-height: 100%; background: $surface; padding: 0;
    }
    PickList Label { text-style: bold; width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss_nothing", "Back"),
        Binding("down,ctrl+n", "move(1)", "Down", show=False, priority=True),
        Binding("up,ctrl+p", "move(-1)", "Up", show=False, priority=True),
        Binding("pagedown,ctrl+d", "move(10)", "Page down", show=False, priority=True),
        Binding("pageup,ctrl+u", "move(-10)", "Page up", show=False, priority=True),
    ]

    def __init__(self, title: str, options: tuple[Option, ...], value: Any, *, free: bool = False) -> None:
        """`value`: the one that is chosen now; `free`: whether what is typed can be taken itself."""
        super().__init__()
        self._title, self._options, self._value, self._free = title, options, value, free
        self._shown: tuple[Option, ...] = ()

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content(self._title))
            yield Input(placeholder="type to narrow" + (", or other names" if self._free else ""))
            yield OptionList()

    def on_mount(self) -> None:
        self._narrow("")
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _on_typed(self, event: Input.Changed) -> None:
        self._narrow(event.value)

    def _narrow(self, text: str) -> None:
        self._shown = narrowed(self._options, text)
        lines = [self._line(option) for option in self._shown]
        if self._is_own(text):
            lines.append(Line(Content.assemble(("take: ", "$text-muted"), text.strip())))
        lists = self.query_one(OptionList)
        lists.set_options(lines)
        values = [option.value for option in self._shown]
        lists.highlighted = (
            (values.index(self._value) if self._value in values and not text else 0) if lines else None
        )

    def _is_own(self, text: str) -> bool:
        return (
            self._free and bool(text.strip()) and all(option.text != text.strip() for option in self._options)
        )

    def _line(self, option: Option) -> Line:
        mark = "● " if option.value == self._value else "  "
        return Line(
            Content.assemble(mark, option.text, (f"  {option.note}" if option.note else "", "$text-muted"))
        )

    @on(Input.Submitted)
    def _on_submitted(self) -> None:
        self._take(self.query_one(OptionList).highlighted)

    @on(OptionList.OptionSelected)
    def _on_selected(self, event: OptionList.OptionSelected) -> None:
        self._take(event.option_index)

    def _take(self, index: int | None) -> None:
        if index is None:
            return
        own = index >= len(self._shown)
        self.dismiss(self.query_one(Input).value.strip() if own else (self._shown[index].value,))

    def action_move(self, by: int) -> None:
        """Another line; the keys stay in the text."""
        move(self.query_one(OptionList), by)

    def action_dismiss_nothing(self) -> None:
        """Leave everything as it was."""
        self.dismiss(None)
