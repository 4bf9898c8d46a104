"""Pictures in a terminal: a timeline is drawn where there is room for it, everything else said in words."""

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import RenderableType

from anatomy.documents.charts import Accuracy, Breakdown, Chart, MemoryTimeline, PhaseLevels, Treemap
from anatomy.render.lines import heading, prose
from anatomy.render.style import Style
from anatomy.render.timeline import timeline_lines


def _in_words(block: Chart, style: Style) -> Iterator[RenderableType]:
    yield heading(block.title)
    yield prose(block.words)


def _timeline(block: MemoryTimeline, style: Style) -> Iterator[RenderableType]:
    lines = tuple(timeline_lines(block, style))
    if not lines:
        yield from _in_words(block, style)
        return
    yield heading(block.title)
    yield from lines


PAINTERS: dict[type, Callable[[Any, Style], Iterator[RenderableType]]] = {
    MemoryTimeline: _timeline,
    Breakdown: _in_words,
    Treemap: _in_words,
    Accuracy: _in_words,
    PhaseLevels: _in_words,
}
"""As `anatomy.render.terminal` has them for the other blocks."""
