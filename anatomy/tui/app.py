"""The interface as a whole: which view is seen, what keys mean everywhere, who is told what."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import ContentSwitcher, Footer, Static

from anatomy.errors import AnatomyError
from anatomy.tui.backstage.link import Backstage
from anatomy.tui.backstage.requests import Failed, ModelAsked, Reply
from anatomy.tui.conversation import Conversation, ModelKnown, RecordKnown, RunKnown
from anatomy.tui.desk import Desk, Run
from anatomy.tui.exporting import Exporting
from anatomy.tui.exports import Taken
from anatomy.tui.memory.view import MemoryView
from anatomy.tui.picker import Picker
from anatomy.tui.recipe.answer import AnswerLine, AnswerPanel
from anatomy.tui.recipe.form import RecipeForm
from anatomy.tui.tree.describe import Subject
from anatomy.tui.tree.details import Details
from anatomy.tui.tree.pane import ModulePane
from anatomy.tui.tree.targets import toggle
from anatomy.tui.tree.widget import ModuleTree
from anatomy.tui.views import VIEWS, card_of, headline

PAUSE = 0.25
"""Seconds without a further change after which a changed run is asked for."""


class Heard(Message):
    """The process behind the interface has said something."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class BrowseApp(App[None]):
    """Walk through a model, change its recipe, see what it takes."""

    TITLE = "anatomy"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (132, "-wide")]  # noqa: RUF012 (an instance's in textual)
    CSS = """
    #title { height: 1; padding: 0 1; background: $primary; color: $text; text-style: bold; }
    #body { height: 1fr; }
    #views { width: 1fr; height: 1fr; }
    #views > * { height: 1fr; }
    #side { width: 46; height: 1fr; border-left: vkey $foreground 30%; }
    #side > RecipeForm { height: 3fr; }
    #side > AnswerPanel { height: 2fr; border-top: solid $foreground 20%; }
    #model { layout: horizontal; }
    #model > ModulePane { width: 3fr; }
    #model > Details { width: 2fr; border-left: vkey $foreground 30%; }
    .-narrow #model { layout: vertical; }
    .-narrow #model > ModulePane { width: 1fr; height: 3fr; }
    .-narrow #model > Details { width: 1fr; height: 2fr; border-left: none; border-top: solid $foreground 20%; }
    .-narrow #side { display: none; }
    .-narrow.-recipe #side { display: block; width: 1fr; layout: horizontal; border-left: none; }
    .-narrow.-recipe #side > RecipeForm { width: 3fr; height: 1fr; }
    .-narrow.-recipe #side > AnswerPanel { width: 2fr; height: 1fr; border-top: none; border-left: vkey $foreground 30%; }
    .-narrow.-recipe #views { display: none; }
    .-wide AnswerLine { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"view('{name}')", title, show=False) for key, name, title in VIEWS),
        Binding("1", "view('model')", "Views", key_display="1-6"),
        Binding("P", "pin", "Pin"),
        Binding("X", "export", "Export"),
        Binding("O", "open", "Open", show=False),
        Binding("R", "again", "Ask again", show=False),
        Binding("T", "theme", "Light or dark", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self, model: ModelAsked | None, run: Run, *, records: Sequence[Path] = (), view: str = "model"
    ) -> None:
        super().__init__()
        self._model, self._first_run, self._records, self._first_view = model, run, tuple(records), view
        self.backstage = Backstage(self._hear)
        self.conversation = Conversation(self.backstage)
        self.desk: Desk | None = None
        self.left: list[str] = []
        """What is printed once the interface is gone: what was copied."""
        self._pause: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(" anatomy", id="title", markup=False)
        yield AnswerLine()
        with Horizontal(id="body"):
            with ContentSwitcher(initial="model", id="views"):
                with Horizontal(id="model"):
                    yield ModulePane()
                    yield Details()
                yield MemoryView(id="memory")
            with Vertical(id="side"):
                yield RecipeForm()
                yield AnswerPanel()
        yield Footer()

    def on_mount(self) -> None:
        """The frame is there; everything else comes when it is known."""
        self.backstage.start()
        self.query_one(ModuleTree).focus()
        if self._model is None:
            self.action_open()
        else:
            self.open_model(self._model)
        self.action_view(self._first_view)

    def on_unmount(self) -> None:
        """What is under way is given up: leaving waits for nothing."""
        self.backstage.close()

    def _hear(self, reply: Reply) -> None:
        """From another thread."""
        self.post_message(Heard(reply))

    # --- the model and its run

    def open_model(self, model: ModelAsked) -> None:
        """Take a model up, with the run that is on the desk."""
        run = self._first_run if self.desk is None else self.desk.run
        pins = [] if self.desk is None else self.desk.pins
        self.desk = Desk(model, run)
        self.desk.pins = pins
        self.query_one(ModulePane).loading = True
        self.query_one(Details).clear()
        self.conversation.take_up(self.desk)
        self._tell()

    def change(self, name: str, value: Any) -> None:
        """Choose a setting of the run; what cannot be is said under its field."""
        if self.desk is None:
            return
        try:
            self.desk.change(name, value)
        except AnatomyError as error:
            self.query_one(RecipeForm).refuse(name, error.message)
            return
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._settle)
        self._show_answer() if not self.desk.stale else self._tell()

    def _settle(self) -> None:
        self.conversation.settle()
        self._tell()

    @on(Heard)
    def _heard(self, message: Heard) -> None:
        match self.conversation.hear(message.reply):
            case ModelKnown(value=Failed() as failure):
                self.query_one(ModulePane).loading = False
                self.notify(failure.message, title="This model cannot be shown", severity="error", timeout=20)
            case ModelKnown(value=anatomy):
                pane = self.query_one(ModulePane)
                pane.loading = False
                self.anatomy = anatomy
                pane.modules.set_anatomy(anatomy)  # type: ignore[arg-type]
                self._show_shares()
            case RunKnown():
                self._show_answer()
            case RecordKnown():
                pass
        self._tell()

    # --- what is seen

    def _show_answer(self) -> None:
        """The answer on the desk, in every view."""
        desk = self.desk
        if desk is None or desk.shown is None:
            self._tell()
            return
        plan = desk.shown[1].plan
        self._show_shares()
        self.query_one(MemoryView).show(plan.replay, *card_of(plan, desk.run.gpu))
        self._tell()

    def _show_shares(self) -> None:
        tree = self.query_one(ModuleTree)
        if self.desk is not None and self.desk.shown is not None and tree.outline.nodes:
            tree.set_shares(self.desk.shown[1].modules)

    def _tell(self) -> None:
        """What is asked, what is known of it, and what is being done."""
        desk = self.desk
        if desk is None:
            return
        doing = self.conversation.doing if self.conversation.busy else ""
        self.query_one("#title", Static).update(headline(desk, doing))
        plan = None if desk.shown is None else desk.shown[1].plan
        failure = None if desk.failure is None else (desk.failure.message, desk.failure.hint or "")
        progress = (doing or "waiting") if desk.stale and failure is None else ""
        for widget in (self.query_one(AnswerLine), self.query_one(AnswerPanel)):
            widget.show(plan, progress=progress, failure=failure)
        run = desk.run
        self.query_one(RecipeForm).show(run.recipe, run.chosen, run.gpu, None if desk.stale else plan)
        memory = self.query_one(MemoryView)
        memory.stale = desk.stale
        memory.note = "" if not desk.stale else progress or (desk.failure.message if desk.failure else "")

    # --- what widgets say

    @on(ModuleTree.Moved)
    def _moved(self, message: ModuleTree.Moved) -> None:
        subject = Subject(anatomy=self.anatomy, marker=message.tree.marker)  # type: ignore[arg-type]
        self.query_one(Details).show(subject, message.row)

    @on(ModuleTree.TargetToggled)
    def _toggled(self, message: ModuleTree.TargetToggled) -> None:
        if self.desk is None:
            return
        plan = None if self.desk.stale or self.desk.shown is None else self.desk.shown[1].plan
        recipe = self.desk.run.recipe
        try:
            targets = toggle(
                message.tree.outline, message.row, recipe.target_modules, () if plan is None else plan.targets
            )
        except AnatomyError as error:
            self.notify(error.message, severity="warning")
            return
        self.change("target_modules", targets)

    @on(RecipeForm.Changed)
    def _changed(self, message: RecipeForm.Changed) -> None:
        self.change(message.name, message.value)

    # --- keys

    def action_view(self, name: str) -> None:
        """Show a view."""
        self.set_class(name == "recipe", "-recipe")
        if name == "recipe":
            self.query_one(RecipeForm).focus()
            return
        self.query_one("#views", ContentSwitcher).current = name
        widget = self.query_one(f"#{name}")
        first = widget if widget.can_focus else next((w for w in widget.query("*") if w.can_focus), None)
        if first is not None:
            first.focus()

    def action_pin(self) -> None:
        """Keep the answer for comparison."""
        if self.desk is not None:
            pinned = not self.desk.stale and self.desk.pin()
            self.notify("Pinned: 5 compares." if pinned else "There is nothing new to pin.")

    def action_export(self) -> None:
        """Take something away."""
        if self.desk is not None:
            planned = None if self.desk.stale or self.desk.shown is None else self.desk.shown[1]
            self.push_screen(Exporting(Taken(model=self.desk.model, run=self.desk.run, planned=planned)))

    def action_open(self) -> None:
        """Another model."""

        def opened(reference: str | None) -> None:
            if reference:
                self.open_model(ModelAsked(reference=reference))

        self.push_screen(Picker(), opened)

    def action_again(self) -> None:
        """Ask once more: a file may have changed."""
        if self.desk is not None:
            self.desk.forget(self.desk.run)
            self._settle()

    def action_theme(self) -> None:
        """From dark to light, and back."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def action_help(self) -> None:
        """All keys."""
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the palette offers beside textual's own."""
        yield from super().get_system_commands(screen)
        for _, name, title in VIEWS:
            yield SystemCommand(title, f"Show the view: {title}", lambda name=name: self.action_view(name))
        yield SystemCommand("Pin this run", "Keep its answer for comparison", self.action_pin)
        yield SystemCommand("Export", "Report, JSON, picture, recipe, command line", self.action_export)
        yield SystemCommand("Open another model", "Catalog, cache, folder or name", self.action_open)
