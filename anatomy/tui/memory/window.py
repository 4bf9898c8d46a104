"""The stretch of a run that a picture shows, and how it moves."""

from dataclasses import dataclass

from anatomy.memory.allocator import Replay, spans
from anatomy.memory.levels import Sampled

NARROWEST = 8
"""Entries that are shown at least: each of them is then several columns wide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The entries [start, stop) of a run of `entries`."""

    start: int
    stop: int
    entries: int

    @property
    def width(self) -> int:
        """How many entries are shown."""
        return self.stop - self.start

    def resized(self, around: int, width: int) -> "Window":
        """So many entries, as far as there are; `around` stays where it is from left to right."""
        width = max(min(NARROWEST, self.entries), min(width, self.entries))
        start = around - (around - self.start) * width // self.width
        return self._at(start, width)

    def including(self, index: int) -> "Window":
        """Moved as little as it takes to show an entry."""
        return self._at(max(min(self.start, index), index - self.width + 1), self.width)

    def whole(self) -> "Window":
        """All entries."""
        return Window(start=0, stop=self.entries, entries=self.entries)

    def _at(self, start: int, width: int) -> "Window":
        start = max(0, min(start, self.entries - width))
        return Window(start=start, stop=start + width, entries=self.entries)


def beside(shown: Sampled, index: int, columns: int) -> int:
    """The entry that so many columns to the right of entry `index` stands for (to the left where negative).

    That is the highest entry of the column that is reached, or of the last one there is on the way. From that one on it
    is an entry outside of what is shown, as far away as so many columns hold on average; it need not exist.
    """
    here = shown.columns_of(index)
    target = (here.start if columns < 0 else here.stop - 1) + columns
    if 0 <= target < len(shown.columns):
        return shown.columns[target].index
    edge = shown.columns[0 if columns < 0 else -1]
    if not edge.start <= index < edge.stop:
        return edge.index
    beyond = -target if columns < 0 else target - len(shown.columns) + 1
    entries = max(1, beyond * (shown.stop - shown.start) // len(shown.columns))
    return shown.start - entries if columns < 0 else shown.stop - 1 + entries


def phase_beside(replay: Replay, index: int, phases: int) -> int | None:
    """The first entry of the next phase (1), or of this one or the one before (-1); None where there is none."""
    starts = [start for _, start, stop in spans(replay) if start < stop]
    if phases > 0:
        return next((start for start in starts if start > index), None)
    return next((start for start in reversed(starts) if start < index), None)


def step_window(replay: Replay, index: int) -> Window:
    """The step that an entry lies in; all of the run for one of loading."""
    step, entries = replay.timeline.mark_at(index).step, len(replay.allocated)
    inside = [(start, stop) for mark, start, stop in spans(replay) if mark.step == step and start < stop]
    if not step or not inside:
        return Window(start=0, stop=entries, entries=entries)
    return Window(start=inside[0][0], stop=inside[-1][1], entries=entries)
