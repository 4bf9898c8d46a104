"""The recipe as a form: a line for every setting, changed by a key, and what it means at the foot."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from anatomy.errors import RecipeError
from anatomy.planning.plan import Plan
from anatomy.training.recipe import Recipe
from anatomy.tui.recipe.draw import about_text, more_line, row_text
from anatomy.tui.recipe.editor import Editor
from anatomy.tui.recipe.fields import DEVICES, Field
from anatomy.tui.recipe.line import Line
from anatomy.tui.recipe.pick import Picked, PickList
from anatomy.tui.recipe.rows import Row, Shown, form_rows
from anatomy.tui.recipe.values import SEVERAL, parsed, stepped, steps, typed_text


class RecipeForm(VerticalScroll, can_focus=True):
    """Every setting of a run. It changes nothing itself: it says what somebody wants."""

    DEFAULT_CSS = """
    RecipeForm { height: 1fr; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    RecipeForm > #about {
        dock: bottom; width: 100%; height: 6; border-top: solid $foreground 20%; background: $surface;
    }
    RecipeForm.-low > #about { height: 4; }
    RecipeForm.-least > #about { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "go(1)", "Next setting", show=False),
        Binding("up,k", "go(-1)", "Setting before", show=False),
        Binding("right,l,plus", "step(True)", "More", key_display="→"),
        Binding("left,h,minus", "step(False)", "Less", key_display="←"),
        Binding("enter", "open", "Pick or type"),
        Binding("backspace,delete", "reset", "Default", key_display="⌫"),
        Binding("m", "more", "More settings"),
        Binding("g,home", "end(False)", "First", show=False),
        Binding("G,end", "end(True)", "Last", show=False),
        Binding("ctrl+d,pagedown", "go(10)", "Page down", show=False),
        Binding("ctrl+u,pageup", "go(-10)", "Page up", show=False),
    ]
    cursor: reactive[int] = reactive(0)
    """The line with the cursor."""
    unfolded: reactive[bool] = reactive(False)
    """Whether all settings are shown."""

    @dataclass
    class Changed(Message):
        """Somebody wants another value. `name`: a setting of Recipe, or 'gpu'; `value` None: its default."""

        name: str
        value: Any

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, classes=classes)
        self._drawn = False
        self._shown = Shown(recipe=Recipe())
        self._rows = form_rows(self._shown)
        self._first_more = next(i for i, row in enumerate(self._rows) if not row.field.primary)
        self._asked: dict[str, Any] = {}

    def compose(self) -> ComposeResult:
        for number in range(len(self._rows) + 1):
            yield Line(number)
        yield Static("", id="about", markup=False)

    def on_mount(self) -> None:
        self._drawn = True
        self._lines = list(self.query(Line))
        self._draw_all()

    # What is shown

    def show(self, recipe: Recipe, chosen: Collection[str], gpu: str | None, plan: Plan | None) -> None:
        """Show a run. `plan`: the last answer, from which settings that the model needed otherwise are known."""
        same = (recipe, gpu) == (self._shown.recipe, self._shown.gpu)
        refused = self._shown.refused if same else {}
        self._asked.clear()
        self._shown = Shown(recipe=recipe, chosen=chosen, gpu=gpu, plan=plan, refused=refused)
        self._draw_all()

    def refuse(self, name: str, message: str) -> None:
        """Say under a field why its value was not taken; what was shown stays."""
        self._asked.pop(name, None)
        self._shown = replace(self._shown, refused={**self._shown.refused, name: message})
        if any(row.field.name == name and not row.field.primary for row in self._rows):
            self.unfolded = True
        self._draw_all()

    @property
    def field(self) -> Field | None:
        """The field with the cursor; None on the line that unfolds the others."""
        row = self._row_at(self.cursor)
        return None if row is None else row.field

    def go_to(self, name: str) -> None:
        """Put the cursor on a field."""
        number = next(i for i, row in enumerate(self._rows) if row.field.name == name)
        self.unfolded = self.unfolded or number >= self._first_more
        self.cursor = number + (number >= self._first_more)

    def _row_at(self, line: int) -> Row | None:
        if line == self._first_more:
            return None
        return self._rows[line - (line > self._first_more)]

    def _draw_all(self) -> None:
        self._rows = form_rows(self._shown)
        if self._drawn:
            for number in range(len(self._rows) + 1):
                self._draw(number)
            self._draw_about()

    def _draw(self, number: int) -> None:
        line, row = self._lines[number], self._row_at(number)
        line.set_class(number > self._first_more and not self.unfolded, "-out")
        if not line.display:
            return
        here = number == self.cursor
        width = max(20, self.scrollable_content_region.width or self.size.width)
        if row is None:
            line.update(more_line(self._rows, self.unfolded, width, here=here, focused=self.has_focus_within))
        else:
            line.update(row_text(row, width, here=here, focused=self.has_focus_within))

    def _draw_about(self) -> None:
        row = self._row_at(self.cursor)
        self.query_one("#about", Static).update(about_text(row))

    def watch_cursor(self, before: int, now: int) -> None:
        if self._drawn:
            self._draw(before)
            self._draw(now)
            self._draw_about()
            self.scroll_to_widget(self._lines[now], animate=False)

    def watch_unfolded(self) -> None:
        self._draw_all()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < 20, "-low")
        self.set_class(event.size.height < 12, "-least")
        self._draw_all()

    def on_focus(self) -> None:
        self._draw(self.cursor)

    def on_blur(self) -> None:
        self._draw(self.cursor)

    # What keys do

    def action_go(self, by: int) -> None:
        """Some lines on."""
        last = len(self._rows) if self.unfolded else self._first_more
        self.cursor = min(max(0, self.cursor + by), last)

    def action_end(self, last: bool) -> None:
        """The first line or the last."""
        self.action_go(len(self._rows) if last else -len(self._rows) - 1)

    def action_more(self) -> None:
        """Unfold the other settings, or fold them."""
        self.unfolded = not self.unfolded
        if not self.unfolded:
            self.cursor = min(self.cursor, self._first_more)

    def action_step(self, up: bool) -> None:
        """The next value or the one before; twice or half."""
        row = self._row_at(self.cursor)
        if row is None:
            self.unfolded = up
            return
        value = self._asked.get(row.field.name, row.value)
        if steps(row.field, value):
            self._ask(row.field, stepped(row.field, value, up))
        else:
            self._edit(row)

    def action_open(self) -> None:
        """Pick a value, or type one."""
        row = self._row_at(self.cursor)
        if row is None:
            self.action_more()
        elif len(row.field.options) > 1:
            self._pick(row)
        else:
            self._edit(row)

    def action_reset(self) -> None:
        """Back to the default."""
        row = self._row_at(self.cursor)
        if row is not None and (row.mark == "chosen" or row.refused):
            self._say(row.field.name, None)

    @on(Line.Pointed)
    def _on_pointed(self, event: Line.Pointed) -> None:
        event.stop()
        again = event.number == self.cursor and self.has_focus_within
        self.cursor = event.number
        self.focus()
        row = self._row_at(event.number)
        if row is None:
            self.action_more()
        elif event.at_end and row.mark == "chosen":
            self.action_reset()
        elif again:
            self.action_open()

    # What is asked for

    def _ask(self, field: Field, value: Any) -> None:
        row = next(row for row in self._rows if row.field.name == field.name)
        if value == self._asked.get(field.name, row.value) and not row.refused:
            return
        if field.name == DEVICES:
            self.refuse(DEVICES, "" if value in (None, 1) else SEVERAL)
            return
        self._asked[field.name] = value
        self._say(field.name, value)

    def _say(self, name: str, value: Any) -> None:
        if name in self._shown.refused:
            refused = {other: why for other, why in self._shown.refused.items() if other != name}
            self._shown = replace(self._shown, refused=refused)
            self._draw_all()
        if name != DEVICES:
            self.post_message(self.Changed(name, value))

    def _pick(self, row: Row) -> None:
        def take(picked: Picked) -> None:
            if isinstance(picked, str):
                self._take_text(row.field, picked)
            elif picked is not None:
                self._ask(row.field, picked[0])

        title = (
            f"{row.field.label} ({row.field.name})" if row.field.label != row.field.name else row.field.label
        )
        self.app.push_screen(PickList(title, row.field.options, row.value, free=row.field.free), take)

    def _edit(self, row: Row) -> None:
        """Type a value, in place of the one that is there or from it."""
        for editor in self.query(Editor):
            editor.remove()
        editor = Editor(row.field, typed_text(row.field, row.value))
        self.mount(editor, after=self._lines[self.cursor])
        editor.focus()
        self.call_after_refresh(self.scroll_to_widget, editor, animate=False)

    @on(Editor.Done)
    def _on_typed(self, event: Editor.Done) -> None:
        event.stop()
        if event.refocus:
            self.focus()
        if event.text is not None:
            self._take_text(event.field, event.text)

    def _take_text(self, field: Field, text: str) -> None:
        try:
            value = parsed(field, text)
        except RecipeError as error:
            self.refuse(field.name, error.message)
        else:
            self._ask(field, value)
