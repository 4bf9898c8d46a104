"""The interface as a whole: which view is seen, what keys mean everywhere, who is told what."""

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer

from anatomy.api import is_saved_run
from anatomy.errors import AnatomyError
from anatomy.tui.backstage.link import Backstage
from anatomy.tui.backstage.requests import Failed, ModelAsked, Reply
from anatomy.tui.body import Body
from anatomy.tui.compare.view import CompareView
from anatomy.tui.conversation import Conversation, ModelKnown, Process, RecordKnown, RunKnown
from anatomy.tui.desk import Desk, Run
from anatomy.tui.exporting import Exporting
from anatomy.tui.exports import Taken
from anatomy.tui.frame import Frame
from anatomy.tui.gpus.table import GpuTable
from anatomy.tui.picker import Picker
from anatomy.tui.recipe.form import RecipeForm
from anatomy.tui.runs.found import FoundRuns
from anatomy.tui.runs.view import RunsView
from anatomy.tui.tree.targets import toggle
from anatomy.tui.tree.widget import ModuleTree
from anatomy.tui.views import VIEWS, pin

NO_MODEL = "No model is open: O opens one."
PAUSE = 0.25
"""Seconds without a further change after which a changed run is asked for."""


@dataclass
class Heard(Message):
    """The process behind the interface has said something."""

    reply: Reply


class BrowseApp(Frame):
    """Walk through a model, change its recipe, see what it takes."""

    TITLE = "anatomy"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (132, "-wide")]  # noqa: RUF012 (an instance's in textual)
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"view('{name}')", title, show=False) for key, name, title in VIEWS),
        Binding("P", "pin", "Pin"),
        Binding("X", "export", "Export"),
        Binding("O", "open", "Open", show=False),
        Binding("R", "again", "Ask again", show=False),
    ]

    def __init__(
        self,
        model: ModelAsked | None,
        run: Run,
        *,
        records: Sequence[Path] = (),
        view: str = "model",
        process: Callable[[Callable[[Reply], None]], Process] = Backstage,
    ) -> None:
        """`process`: what makes the process behind, given whom it tells."""
        super().__init__()
        self._model, self._first_run, self._first_view = model, run, view
        self.backstage = process(self._hear)
        self.conversation = Conversation(self.backstage)
        self.desk: Desk | None = None
        self.left: list[str] = []
        """What is printed once the interface is gone: what was copied."""
        self._pause: Timer | None = None
        self._runs = FoundRuns(records)

    def compose(self) -> ComposeResult:
        """The body over the keys."""
        yield Body()
        yield Footer()

    @property
    def body(self) -> Body:
        """What is between title and footer."""
        return self.query_one(Body)

    def on_mount(self) -> None:
        """The frame is there; everything else comes when it is known."""
        self.backstage.start()
        if self._model is not None:
            self.open_model(self._model)
        self.action_view(self._first_view)
        if self._model is None and self._first_view != "runs":
            self.action_open()

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
        self.body.wait_for_model()
        self.conversation.take_up(self.desk)
        self._tell()

    def change(self, name: str, value: Any) -> None:
        """Choose a setting of the run; what cannot be is said under its field."""
        if self.desk is None:
            return
        try:
            self.desk.change(name, value)
        except AnatomyError as error:
            self.body.refuse(name, error.message)
            return
        self._asked_anew()

    def take(self, run: Run) -> None:
        """Ask for another run."""
        if self.desk is not None:
            self.desk.take(run)
            self._asked_anew()

    def _asked_anew(self) -> None:
        """Show what is known of the run at once; what is not is asked for when the keys rest."""
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._settle)
        self._tell()

    def _settle(self) -> None:
        self.conversation.settle()
        self._tell()

    @on(Heard)
    def _heard(self, message: Heard) -> None:
        match self.conversation.hear(message.reply):
            case ModelKnown(value=Failed() as failure):
                self.body.show_model(None)
                self.notify(
                    failure.message,
                    title="This model cannot be shown",
                    severity="error",
                    timeout=10,
                    markup=False,
                )
            case ModelKnown(value=anatomy):
                self.body.show_model(anatomy)  # type: ignore[arg-type]
            case RunKnown():
                gc.freeze()  # a plan's many objects stay: looking through them for garbage would hold up the keys
            case RecordKnown(path=path, value=value):
                self._runs.learn(path, value)
                self.body.show_runs(self._runs.read, self._runs.unread)
        self._tell()

    # --- what is seen

    def _tell(self) -> None:
        """Show what is on the desk."""
        if self.desk is not None:
            self.body.show_desk(self.desk, self.conversation.doing if self.conversation.busy else "")

    def _show_pins(self) -> None:
        if self.desk is not None:
            self.body.show_pins(self.desk)

    # --- what widgets say

    @on(ModuleTree.TargetToggled)
    def _toggled(self, message: ModuleTree.TargetToggled) -> None:
        if self.desk is None:
            return
        recipe = self.desk.run.recipe
        shown = None if self.desk.shown is None else self.desk.shown[1].plan
        adapted = () if shown is None or self.desk.stale else shown.targets
        unfused = () if shown is None or shown.owned is None else shown.owned.unfused
        try:
            toggled = toggle(message.tree.outline, message.row, recipe.target_modules, adapted, unfused)
        except AnatomyError as error:
            self.notify(error.message, severity="warning", markup=False)
            return
        message.tree.set_targets(toggled.items)  # until there is an answer
        self.change("target_modules", toggled.targets)

    @on(RecipeForm.Changed)
    def _changed(self, message: RecipeForm.Changed) -> None:
        self.change(message.name, message.value)

    @on(GpuTable.Chosen)
    def _gpu_chosen(self, message: GpuTable.Chosen) -> None:
        self.change("gpu", message.name)

    @on(CompareView.Removed)
    def _unpinned(self, message: CompareView.Removed) -> None:
        if self.desk is not None:
            del self.desk.pins[message.index]
            self._show_pins()

    @on(CompareView.Moved)
    def _pin_moved(self, message: CompareView.Moved) -> None:
        if self.desk is not None:
            self.desk.pins.insert(message.to, self.desk.pins.pop(message.index))
            self._show_pins()

    @on(CompareView.Recalled)
    def _pin_recalled(self, message: CompareView.Recalled) -> None:
        if self.desk is None:
            return
        pin = self.desk.pins[message.index]
        if pin.model != self.desk.model:
            self.desk.run = pin.run
            self.open_model(pin.model)
        else:
            self.take(pin.run)

    @on(RunsView.Recalled)
    def _run_recalled(self, message: RunsView.Recalled) -> None:
        saved = self._runs.get(message.path)
        if self.desk is None or saved is None:
            self.notify("Open a model first (O): a saved run has a recipe, and no model.", severity="warning")
            return
        self.take(Run.as_it_was(saved.recipe, self.desk.run.gpu))

    # --- keys

    def action_view(self, name: str) -> None:
        """Show a view."""
        if name == "runs":
            for path in self._runs.look():
                self.conversation.open_record(path)
            self.body.show_runs(self._runs.read, self._runs.unread)
        self.body.go_to(name)

    def action_pin(self) -> None:
        """Keep the answer for comparison."""
        self.notify(NO_MODEL if self.desk is None else pin(self.desk))
        self._show_pins()

    def action_export(self) -> None:
        """Take something away."""
        if self.desk is None:
            self.notify(NO_MODEL)
        else:
            planned = None if self.desk.stale or self.desk.shown is None else self.desk.shown[1]
            self.push_screen(Exporting(Taken(model=self.desk.model, run=self.desk.run, planned=planned)))

    def action_open(self) -> None:
        """Another model."""

        def opened(reference: str | None) -> None:
            if reference and is_saved_run(Path(reference)):
                self._runs.name(Path(reference))
                self.action_view("runs")
                self.body.point_to_run(reference)
            elif reference:
                self.open_model(ModelAsked(reference=reference))

        self.push_screen(Picker(), opened)

    def action_again(self) -> None:
        """Ask once more: a file may have changed."""
        if self.desk is not None:
            self.desk.forget(self.desk.run)
            self._settle()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the palette offers beside textual's own."""
        yield from super().get_system_commands(screen)
        for _, name, title in VIEWS:
            yield SystemCommand(title, f"Show the view: {title}", lambda name=name: self.action_view(name))
        yield SystemCommand("Pin this run", "Keep its answer for comparison", self.action_pin)
        yield SystemCommand("Export", "Report, JSON, picture, recipe, command line", self.action_export)
        yield SystemCommand("Open another model", "Catalog, cache, folder or name", self.action_open)
