"""One line of the recipe's form."""

from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.widgets import Static


class Line(Static):
    """Text that says where it was clicked."""

    DEFAULT_CSS = """
    Line { width: 100%; height: auto; }
    Line.-out { display: none; }
    """

    @dataclass
    class Pointed(Message):
        """A line was clicked. `at_end`: on its last two columns."""

        number: int
        at_end: bool

    def __init__(self, number: int) -> None:
        super().__init__("", markup=False)
        self.number = number
        """Of the line in its form, from 0."""

    def on_click(self, event: events.Click) -> None:
        """Say so."""
        event.stop()
        self.post_message(self.Pointed(self.number, at_end=event.x >= self.size.width - 2))
