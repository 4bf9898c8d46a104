"""The line in which a value is typed."""

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from anatomy.errors import RecipeError
from anatomy.tui.recipe.fields import Field
from anatomy.tui.recipe.values import parsed, stepped, typed_text

NUMBERS = ("integer", "number", "size")
"""Kinds of fields whose values are typed anew rather than changed by a letter."""


class Editor(Input):
    """Enter and leaving take what was typed, escape leaves it; the arrows double and halve an integer."""

    DEFAULT_CSS = """
    Editor, Editor:focus { border: none; height: 1; padding: 0 1; margin: 0 0 0 2; background: $boost; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("up", "step(True)", "Twice", show=False),
        Binding("down", "step(False)", "Half", show=False),
    ]

    @dataclass
    class Done(Message):
        """Typing has ended. `text`: None where nothing is to be taken; `refocus`: whether the form gets the keys back."""

        field: Field
        text: str | None
        refocus: bool

    def __init__(self, field: Field, before: str) -> None:
        """`before`: the value as it is: what is typed stands in for a number, and goes on from anything else."""
        super().__init__(before, select_on_focus=field.kind in NUMBERS, placeholder="the default")
        self._field, self._before, self._ended = field, before, False

    def on_mount(self) -> None:
        if not self.select_on_focus:
            self.cursor_position = len(self.value)

    def action_leave(self) -> None:
        """Take nothing."""
        self._end(None, refocus=True)

    async def action_submit(self) -> None:
        """Take what was typed."""
        self._end(self.value, refocus=True)

    def action_step(self, up: bool) -> None:
        """Twice the integer, or half of it."""
        try:
            value = stepped(self._field, parsed(self._field, self.value), up)
        except RecipeError:
            return
        self.value = typed_text(self._field, value)
        self.cursor_position = len(self.value)

    def on_blur(self, event: events.Blur) -> None:
        """Whoever goes on by tab or mouse means what was typed."""
        self._end(self.value if self.value != self._before else None, refocus=False)

    def _end(self, text: str | None, *, refocus: bool) -> None:
        if not self._ended:
            self._ended = True
            self.post_message(self.Done(self._field, text, refocus))
            self.remove()
