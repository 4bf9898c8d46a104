"""The memory view: the chart above, what is alive at its cursor below."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from anatomy.memory.allocator import OutOfMemory, Replay
from anatomy.memory.levels import CATEGORIES
from anatomy.planning.words import where
from anatomy.tui.memory import inks
from anatomy.tui.memory.alive import AliveList, AliveTable
from anatomy.tui.memory.chart import MemoryChart

HELP = "←→ column · [] entry · ,. phase · p peak · +- zoom · 0 all · o step · ⏎ unfold"
EMPTY = "No run yet."
NOTHING = "Nothing is allocated in this run."


def _forwarded(bindings: list[BindingType], to: str) -> list[BindingType]:
    """The same keys for whoever holds both widgets, so that they work wherever the focus is."""
    return [
        Binding(
            b.key, f"forward('{to}', '{b.action}')", b.description, show=b.show, key_display=b.key_display
        )
        for b in bindings
        if isinstance(b, Binding)
    ]


class MemoryView(Vertical):
    """One run's memory over its phases, and who owns it at any instant."""

    DEFAULT_CSS = """
    MemoryView {
        & > MemoryChart { height: 3fr; }
        & > AliveTable { height: 2fr; min-height: 5; }
        & > .memory-legend { height: auto; max-height: 2; }
        & > .memory-help { height: 1; color: $text-muted; }
        & > .memory-note { height: 1; text-style: italic; display: none; }
        &.-low > .memory-help, &.-flat > .memory-legend { display: none; }
        &.-noted > .memory-note { display: block; }
        &.-stale > MemoryChart, &.-stale > AliveTable { opacity: 60%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *_forwarded(MemoryChart.BINDINGS, "MemoryChart"),
        *_forwarded(AliveList.BINDINGS, "AliveList"),
    ]
    LOW: ClassVar[int] = 30
    """Fewer rows than this have none to spare for the keys."""
    FLAT: ClassVar[int] = 17
    """Fewer rows than this have none to spare for the legend: the table has the letters too."""

    note: reactive[str] = reactive("")
    """A line above all: why there is nothing to see, or what is being worked out."""
    stale: reactive[bool] = reactive(False)
    """Whether what is shown answers an older question."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.chart = MemoryChart()
        self.table = AliveTable()

    def compose(self) -> ComposeResult:
        """Note, chart, legend, table, help."""
        yield Static(classes="memory-note")
        yield self.chart
        yield Static(classes="memory-legend")
        yield self.table
        yield Static(Content(HELP), classes="memory-help")

    def on_mount(self) -> None:
        """Say that there is nothing yet."""
        if self.chart.scene is None:
            self.note = EMPTY

    def on_resize(self) -> None:
        """Leave out what a low terminal has no room for."""
        self.set_class(self.size.height < self.LOW, "-low")
        self.set_class(self.size.height < self.FLAT, "-flat")

    def show(
        self,
        replay: Replay,
        capacity_bytes: int | None = None,
        capacity_name: str = "",
        failure: OutOfMemory | None = None,
    ) -> None:
        """Show a run; the arguments are those of `MemoryChart.show`."""
        self.table.show(replay)
        self.chart.show(replay, capacity_bytes, capacity_name, failure)
        self.note = "" if self.chart.scene else NOTHING
        self.query_one(".memory-legend", Static).update(self._legend())

    def watch_note(self, note: str) -> None:
        """Show the line only when it says something."""
        self.query_one(".memory-note", Static).update(Content(note))
        self.set_class(bool(note), "-noted")

    def watch_stale(self, stale: bool) -> None:
        """Fade; whoever sets it says why in `note`."""
        self.set_class(stale, "-stale")

    def on_memory_chart_moved(self, message: MemoryChart.Moved) -> None:
        """The table follows the cursor."""
        self.table.go(message.index)

    async def action_forward(self, to: str, action: str) -> None:
        """A key of one of the widgets, pressed elsewhere."""
        await self.query_one(to).run_action(action)

    def _legend(self) -> Text:
        """Letter and name of each category that the run has, and the marks of the chart."""
        legend, gap = Text(), "\N{NO-BREAK SPACE}"
        if self.chart.scene is None:
            return legend
        found = self.chart.scene.levels
        for kind in sorted(set(found.kinds)):
            letter, color = inks.letter(CATEGORIES[kind])
            legend.append(letter, color)
            legend.append(gap + CATEGORIES[kind].value.replace(" ", gap) + "  ")
        failure = self.chart.scene.failure
        legend.append(f"◆{gap}at{gap}rest")
        if failure is not None:
            legend.append(
                f"  ✗{gap}out of memory {where(failure.phase, failure.step, failure.module, failure.op)}"
            )
        return legend
