"""The chart: a run's memory over its phases, with a cursor on one entry of the trace."""

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from anatomy.documents.scene import Scene, scene
from anatomy.memory.allocator import OutOfMemory, Replay
from anatomy.memory.levels import Sampled, sampled
from anatomy.render.picture import ABOVE, BELOW, GUTTER, MARKS, Row, picture, with_cursor
from anatomy.tui.memory import inks
from anatomy.tui.memory.window import Window, beside, phase_beside, step_window

FAR = 10
"""Columns that shift and ctrl move by."""


class MemoryChart(Widget, can_focus=True):
    """A stacked area of categories, with phases below and the card's capacity as a line."""

    DEFAULT_CSS = """
    MemoryChart {
        height: 1fr;
        min-height: 6;
        & > .memory-chart--axis { color: $text-muted; }
        & > .memory-chart--peak { color: $text; text-style: bold; }
        & > .memory-chart--capacity { color: $text-error; text-style: bold; }
        & > .memory-chart--over { color: $text; background: $error; }
        & > .memory-chart--reserved { color: $text-accent; }
        & > .memory-chart--rest { color: $text; text-style: bold; }
        & > .memory-chart--cursor { color: $text; text-style: reverse; }
        &:focus > .memory-chart--axis { color: $text; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"memory-chart--{name}" for name in MARKS}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", "Column left", show=False),
        Binding("right,l", "move(1)", "Column right", show=False),
        Binding("shift+left,ctrl+left,H", f"move(-{FAR})", "10 columns left", show=False),
        Binding("shift+right,ctrl+right,L", f"move({FAR})", "10 columns right", show=False),
        Binding("left_square_bracket", "entry(-1)", "Entry back", key_display="["),
        Binding("right_square_bracket", "entry(1)", "Entry on", key_display="]"),
        Binding("comma", "phase(-1)", "Phase back", key_display=","),
        Binding("full_stop", "phase(1)", "Phase on", key_display="."),
        Binding("p", "peak", "Peak"),
        Binding("plus,equals_sign", "zoom(1)", "Zoom in", key_display="+"),
        Binding("minus", "zoom(-1)", "Zoom out", key_display="-"),
        Binding("0", "whole", "Whole run"),
        Binding("o", "step", "One step"),
        Binding("r", "reserved", "Reserved"),
        Binding("c", "letters", "Letters", show=False),
        Binding("home", "edge(0)", "First shown", show=False),
        Binding("end", "edge(1)", "Last shown", show=False),
    ]

    index: reactive[int] = reactive(0, repaint=False, init=False)
    """The entry of the trace that the cursor is on."""
    with_reserved: reactive[bool] = reactive(False)
    """Whether what is reserved is drawn as a line."""
    letters: reactive[bool] = reactive(False)
    """Whether the area is made of letters, to be read without colour."""

    class Moved(Message):
        """The cursor is on another entry, or on an entry of another run."""

        def __init__(self, chart: "MemoryChart", index: int) -> None:
            super().__init__()
            self.chart = chart
            self.index = index

        @property
        def control(self) -> "MemoryChart":
            """The chart."""
            return self.chart

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.scene: Scene | None = None
        """What is drawn; None before the first run, and for a run that allocates nothing."""
        self.window = Window(start=0, stop=1, entries=1)
        """The entries that are shown."""
        self._sampled: tuple[object, Sampled] | None = None
        self._picture: tuple[tuple[object, ...], list[Row]] | None = None
        self._styles: dict[tuple[str, str], Style] = {}
        self._strips: dict[int, Strip] = {}

    def on_mount(self) -> None:
        """Without colour, letters tell the categories apart."""
        self.letters = self.app.no_color

    def show(
        self,
        replay: Replay,
        capacity_bytes: int | None = None,
        capacity_name: str = "",
        failure: OutOfMemory | None = None,
    ) -> None:
        """Draw a run. `capacity_bytes`: what a process can allocate on the card beside its context.

        `failure`: where the run ends on that card, if it is known. The same run on another card keeps cursor and zoom;
        another one is shown at its peak's step, with the cursor on the peak.
        """
        same = self.scene is not None and self.scene.levels.replay is replay
        self.scene = scene(replay, capacity_bytes, capacity_name, failure)
        if self.scene is not None and not same:
            self.window = step_window(replay, self.scene.peak_index)
            self.set_reactive(MemoryChart.index, self.scene.peak_index)
        self.refresh()
        if self.scene is not None:
            self.post_message(self.Moved(self, self.index))

    # --- moving

    def go(self, index: int) -> None:
        """Put the cursor on an entry, as far as there is one, and show it."""
        if self.scene is None:
            return
        index = max(0, min(index, self.window.entries - 1))
        window = self.window.including(index)
        if window != self.window:
            self.window = window
            self.refresh()
        self.index = index

    def watch_index(self, before: int, now: int) -> None:
        """Tell others, and draw again what the cursor leaves and where it is: little, for slow lines."""
        shown = self.shown()
        if shown is not None:
            columns = [found for index in (before, now) if (found := shown.columns_of(index))]
            self.refresh(*(Region(GUTTER + c.start, 0, len(c), self.size.height) for c in columns))
        self.post_message(self.Moved(self, now))

    def action_move(self, columns: int) -> None:
        """By so many columns; at the edge the picture moves."""
        shown = self.shown()
        if shown is not None:
            self.go(beside(shown, self.index, columns))

    def action_entry(self, by: int) -> None:
        """By single entries of the trace."""
        self.go(self.index + by)

    def action_phase(self, by: int) -> None:
        """To the first entry of the next phase, of this one, or of the one before."""
        if self.scene is not None:
            start = phase_beside(self.scene.levels.replay, self.index, by)
            self.go(self.index if start is None else start)

    def action_peak(self) -> None:
        """To the highest level of the run."""
        if self.scene is not None:
            self.go(self.scene.peak_index)

    def action_edge(self, last: int) -> None:
        """To the first or last entry that is shown; from there, to that of the run."""
        target = self.window.stop - 1 if last else self.window.start
        self.go(target if target != self.index else (self.window.entries - 1) * last)

    # --- what is shown

    def action_zoom(self, by: int) -> None:
        """Half as many entries (1), or twice as many (-1), around the cursor."""
        self._zoom(by, self.index)

    def action_whole(self) -> None:
        """All entries, loading too."""
        self._look(self.window.whole())

    def action_step(self) -> None:
        """The step that the cursor is in."""
        if self.scene is not None:
            self._look(step_window(self.scene.levels.replay, self.index))

    def action_reserved(self) -> None:
        """With or without what is reserved."""
        self.with_reserved = not self.with_reserved

    def action_letters(self) -> None:
        """Letters or colours."""
        self.letters = not self.letters

    # --- the mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """The cursor goes where the mouse is, and follows it."""
        self.capture_mouse()
        self.go(self._under(event))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Follow while the button is down."""
        if self.app.mouse_captured is self:
            self.go(self._under(event))

    def on_mouse_up(self) -> None:
        """Let go."""
        self.release_mouse()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in around the mouse."""
        event.stop()
        self._zoom(1, self._under(event))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out around the mouse."""
        event.stop()
        self._zoom(-1, self._under(event))

    def _under(self, event: events.MouseEvent) -> int:
        """The highest entry of the column that the mouse is over."""
        shown = self.shown()
        if shown is None:
            return self.index
        return shown.columns[max(0, min(event.x - GUTTER, len(shown.columns) - 1))].index

    def _zoom(self, by: int, around: int) -> None:
        width = self.window.width // 2 if by > 0 else self.window.width * 2
        self._look(self.window.resized(around, width))

    def _look(self, window: Window) -> None:
        """Show other entries; a cursor that is left behind follows to the nearest of them."""
        self.window = window
        self.index = max(window.start, min(self.index, window.stop - 1))
        self.refresh()

    # --- drawing

    def shown(self) -> Sampled | None:
        """What is in the columns now; None while nothing is drawn."""
        columns = self.size.width - GUTTER
        if self.scene is None or columns < 1:
            return None
        key = (id(self.scene), self.window, columns)
        if self._sampled is None or self._sampled[0] != key:
            self._sampled = (key, sampled(self.scene.levels, columns, self.window.start, self.window.stop))
        return self._sampled[1]

    def notify_style_update(self) -> None:
        """Another theme has other colours."""
        self._styles.clear()
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """One row of the picture, with the cursor."""
        rows, width = self._rows(), self.size.width
        if y >= len(rows):
            return Strip.blank(width, self._style("", ""))
        if y not in self._strips:
            self._strips[y] = self._strip(rows[y]).adjust_cell_length(width, self._style("", ""))
        strip, axis, shown = self._strips[y], len(rows) - BELOW, self.shown()
        if shown is None or not ABOVE <= y <= axis:
            return strip
        here = shown.columns_of(self.index)
        start, stop = here.start + GUTTER, here.stop + GUTTER
        cursor = self._strip(with_cursor(rows[y][start:stop], axis=y == axis))
        return Strip.join([strip.crop(0, start), cursor, strip.crop(stop)])

    def _strip(self, row: Row) -> Strip:
        return Strip(
            Segment("".join(cell.character for cell in cells), self._style(*look))
            for look, cells in groupby(row, key=itemgetter(1, 2))
        )

    def _rows(self) -> list[Row]:
        shown = self.shown()
        if shown is None or self.scene is None:
            return []
        key = (id(shown), self.size.height, self.letters, self.with_reserved)
        if self._picture is None or self._picture[0] != key:
            self._strips.clear()
            rows = picture(
                shown, self.scene, height=self.size.height, letters=self.letters, reserved=self.with_reserved
            )
            self._picture = (key, rows)
        return self._picture[1]

    def _style(self, ink: str, ground: str) -> Style:
        """What a cell looks like; the palette's categories, or one of the widget's own components."""
        if (ink, ground) not in self._styles:
            self._styles[ink, ground] = (
                self.rich_style + self._look_of(ground, inks.ground) + self._look_of(ink, inks.ink)
            )
        return self._styles[ink, ground]

    def _look_of(self, name: str, category: Callable[[str], Style | None]) -> Style:
        if not name:
            return Style()
        return category(name) or self.get_component_rich_style(f"memory-chart--{name}", partial=True)
