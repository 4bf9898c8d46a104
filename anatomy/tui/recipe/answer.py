"""The answer beside the recipe: a panel of it, and two lines where there is little room."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from anatomy.planning.plan import Plan
from anatomy.tui.recipe.words import Answer, line_text, panel_text
from anatomy.tui.vim import SCROLL_KEYS


class AnswerPanel(VerticalScroll):
    """Whether it fits, what it needs, where the peak is and what it is made of."""

    DEFAULT_CSS = """
    AnswerPanel { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    AnswerPanel > Static { width: 100%; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *SCROLL_KEYS,
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes=classes)
        self._drawn = False
        self.answer = Answer()

    def compose(self) -> ComposeResult:
        yield Static("", markup=False)

    def on_mount(self) -> None:
        self._drawn = True
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def show(self, plan: Plan | None, *, progress: str = "", failure: tuple[str, str] | None = None) -> None:
        """Show an answer. `progress`: what is being done for a newer one; `failure`: why there is none, and a hint."""
        self.answer = Answer(plan=plan, progress=progress, failure=failure)
        self._draw()

    def _draw(self) -> None:
        if self._drawn:
            width = max(20, self.scrollable_content_region.width)
            self.query_one(Static).update(panel_text(self.answer, width))


class AnswerLine(Widget):
    """The same in two lines."""

    DEFAULT_CSS = """
    AnswerLine { width: 100%; height: 2; padding: 0 1; background: $panel; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes=classes)
        self.answer = Answer()

    def show(self, plan: Plan | None, *, progress: str = "", failure: tuple[str, str] | None = None) -> None:
        """As `AnswerPanel.show`."""
        self.answer = Answer(plan=plan, progress=progress, failure=failure)
        self.refresh()

    def render(self) -> Content:
        """The two lines, as wide as there is room."""
        return line_text(self.answer, max(20, self.content_size.width))
