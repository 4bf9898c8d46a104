"""A list over the screen: what dialogs have in common."""

from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import OptionList

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A screen over the others that gives one result."""

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Close with a result. A second key, or a double click, that comes before the first has closed it does nothing."""
        return super().dismiss(result) if self.is_current else AwaitComplete()


class Choices(OptionList):
    """A list with vim's keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g", "first", "First", show=False),
        Binding("G", "last", "Last", show=False),
        Binding("ctrl+d", "page_down", "Page down", show=False),
        Binding("ctrl+u", "page_up", "Page up", show=False),
    ]


def move(options: OptionList, by: int) -> None:
    """The mark so many lines on, while the keys are elsewhere; single lines go round the end."""
    if options.option_count:
        last = options.option_count - 1
        if options.highlighted is None:
            options.highlighted = 0 if by > 0 else last
            return
        to = options.highlighted + by
        options.highlighted = to % (last + 1) if abs(by) == 1 else min(max(0, to), last)
