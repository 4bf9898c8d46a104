"""What the screen is made of, and which widget shows what. It decides nothing: it is told."""

from collections.abc import Iterable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Static

from anatomy.architecture.anatomy import Anatomy
from anatomy.memory.allocator import replay
from anatomy.memory.timeline import Mark, Phase, Timeline
from anatomy.planning.plan import Plan
from anatomy.tui.backstage.requests import Planned
from anatomy.tui.compare.view import CompareView
from anatomy.tui.desk import Desk
from anatomy.tui.gpus.table import GpuTable
from anatomy.tui.memory.view import MemoryView
from anatomy.tui.recipe.answer import AnswerLine, AnswerPanel
from anatomy.tui.recipe.form import RecipeForm
from anatomy.tui.runs.saved import SavedRun, UnreadRun
from anatomy.tui.runs.view import RunsView
from anatomy.tui.tree.details import Details
from anatomy.tui.tree.pane import ModulePane
from anatomy.tui.tree.widget import ModuleTree
from anatomy.tui.views import answer_of, card_of, headline, menu

_FIRST = {"model": "ModuleTree", "memory": "MemoryChart", "gpus": "", "compare": "", "runs": ""}
"""View -> the widget in it that gets the keys; '' for itself."""
_NO_RUN = replay(Timeline(blocks=(), trace=(), marks=(Mark(at=0, phase=Phase.LOAD, step=0),)))


class Body(Vertical):
    """Everything between the top of the screen and its footer."""

    SCOPED_CSS = False
    """The screen's class says how wide it is."""
    DEFAULT_CSS = """
    Body #menu { height: 1; padding: 0 1; background: $panel; }
    Body #title { height: 1; padding: 0 1; text-style: bold; }
    Body #main { height: 1fr; }
    Body #views { width: 1fr; height: 1fr; }
    Body #views > * { height: 1fr; }
    Body #side { display: none; width: 46; height: 1fr; border-left: vkey $foreground 30%; }
    .-wide Body #side { display: block; }
    Body #side > RecipeForm { height: 3fr; }
    Body #side > AnswerPanel { height: 2fr; border-top: solid $foreground 20%; }
    Body #model { layout: horizontal; }
    Body #model > ModulePane { width: 3fr; }
    Body #model > Details { width: 2fr; border-left: vkey $foreground 30%; }
    .-narrow Body #model { layout: vertical; }
    .-narrow Body #model > ModulePane { width: 1fr; height: 3fr; }
    .-narrow Body #model > Details {
        width: 1fr; height: 2fr; border-left: none; border-top: solid $foreground 20%;
    }
    .-narrow Body.-recipe #side { display: block; width: 1fr; layout: horizontal; border-left: none; }
    .-narrow Body.-recipe #side > RecipeForm { width: 3fr; height: 1fr; }
    .-narrow Body.-recipe #side > AnswerPanel {
        width: 2fr; height: 1fr; border-top: none; border-left: vkey $foreground 30%;
    }
    .-narrow Body.-recipe #views, .-narrow Body.-recipe AnswerLine { display: none; }
    .-wide Body AnswerLine { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: Planned | None = None
        """The answer that the views show."""
        self._listed: tuple[object, ...] = ()
        """What the table of GPUs shows."""

    def compose(self) -> ComposeResult:
        """Title, answer, the views, and the recipe beside them."""
        yield Static(menu("model"), id="menu")
        yield Static("anatomy", id="title", markup=False)
        yield AnswerLine()
        with Horizontal(id="main"):
            with ContentSwitcher(initial="model", id="views"):
                with Horizontal(id="model"):
                    yield ModulePane()
                    yield Details()
                yield MemoryView(id="memory")
                yield GpuTable(id="gpus")
                yield CompareView(id="compare")
                yield RunsView(id="runs")
            with Vertical(id="side"):
                yield RecipeForm()
                yield AnswerPanel()

    @property
    def modules(self) -> ModuleTree:
        """The module tree."""
        return self.query_one(ModuleTree)

    def go_to(self, name: str) -> None:
        """Show a view, and give it the keys."""
        self.query_one("#menu", Static).update(menu(name))
        self.set_class(name == "recipe", "-recipe")
        if name == "recipe":
            self.query_one(RecipeForm).focus()
            return
        self.query_one("#views", ContentSwitcher).current = name
        self.query_one(f"#{name} {_FIRST[name]}".removesuffix(" "), Widget).focus()

    def wait_for_model(self) -> None:
        """Another model is being built: what is known of the one before is not shown beside its name."""
        self.query_one(ModulePane).loading = True
        self.modules.clear()
        self.query_one(Details).clear()
        if self._seen is not None:
            self._seen = None
            self.query_one(MemoryView).show(_NO_RUN)

    def show_model(self, anatomy: Anatomy | None) -> None:
        """A model's modules; None where there are none to be shown."""
        self.query_one(ModulePane).loading = False
        if anatomy is not None:
            self.modules.set_anatomy(anatomy)
            self._show_shares()

    def show_desk(self, desk: Desk, doing: str) -> None:
        """What is asked, what is known of it, and what is being done for it."""
        if desk.shown is not None and desk.shown[1] is not self._seen:
            self._seen = desk.shown[1]
            self._show_shares()
            plan = self._seen.plan
            self.query_one(MemoryView).show(plan.replay, *card_of(plan, desk.shown[0].gpu))
        self.query_one("#title", Static).update(headline(desk, doing))
        plan_, progress, failure = answer_of(desk, doing)
        for widget in (self.query_one(AnswerLine), self.query_one(AnswerPanel)):
            widget.show(plan_, progress=progress, failure=failure)
        run, everywhere = desk.run, desk.everywhere()
        self.query_one(RecipeForm).show(run.recipe, run.chosen, run.gpu, None if desk.stale else plan_)
        self._show_gpus(plan_, None if everywhere is None else everywhere.plan, run.gpu, desk.stale)
        memory = self.query_one(MemoryView)
        memory.stale = desk.stale
        if desk.stale:
            memory.note = progress or (failure[0] if failure else "")
        elif self._seen is not None:
            memory.note = ""

    def _show_gpus(self, plan: Plan | None, earlier: Plan | None, gpu: str | None, stale: bool) -> None:
        """Only where they are others than before: filling a table takes a while."""
        listed = (id(plan), id(earlier), gpu, stale)
        if listed != self._listed:
            self._listed = listed
            self.query_one(GpuTable).show(plan, earlier=earlier, chosen=gpu, stale=stale)

    def show_pins(self, desk: Desk) -> None:
        """The answers that are compared."""
        self.query_one(CompareView).show([pin.column for pin in desk.pins], gpu=desk.run.gpu)

    def show_runs(self, runs: Sequence[SavedRun | UnreadRun], unread: Iterable[str]) -> None:
        """Saved runs, and which are still being read."""
        first = next(iter(unread), None)
        self.query_one(RunsView).show(runs, progress=f"reading {first}" if first else "")

    def point_to_run(self, path: str) -> None:
        """Put the cursor on a saved run, as soon as it is read."""
        self.query_one(RunsView).select(path)

    def refuse(self, name: str, message: str) -> None:
        """Say under a setting why it cannot be."""
        self.query_one(RecipeForm).refuse(name, message)

    def _show_shares(self) -> None:
        if self._seen is not None and self.modules.outline.nodes:
            self.modules.set_targets(None)
            self.modules.set_shares(self._seen.modules)

    @on(ModuleTree.Moved)
    def _moved(self, message: ModuleTree.Moved) -> None:
        message.stop()
        self.query_one(Details).show(message.tree.marker, message.row)
