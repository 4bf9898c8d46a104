"""Memory of a step: categories on top of each other, the peak named, the card's line."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon

from anatomy.documents.charts import MemoryTimeline
from anatomy.plots.drawing import ALARM, FAINT, INK, LOOKS, headed, plain
from anatomy.render.axes import SHORT_NAMES, unit_of
from anatomy.units import bytes_column, format_bytes

SIZE = (11, 5)
"""Inches."""
AXIS = 7.6
"""Inches that the axis has beside the legend."""
LETTER = 0.07
"""Inches of a letter under the axis."""
ROOM = 1.14
"""The drawing is so many times as high as its highest level, for the peak's name."""


def draw_timeline(chart: MemoryTimeline, figure: Figure) -> None:
    """One stacked area; below it the phases, beside it what is in use at the highest level shown."""
    figure.set_size_inches(*SIZE)
    axes = figure.add_subplot()
    top = max(chart.scene.top(reserved=True), 1)
    size, unit = unit_of(top)
    axes.set_xlim(0, len(chart.columns))
    axes.set_ylim(0, ROOM * top / size)
    axes.set_ylabel(f"allocated ({unit})")
    axes.set_xlabel("allocations and releases in their order (not time)", color=FAINT)
    headed(axes, chart.title, f"▼ {chart.scene.peak_words}")
    _areas(chart, axes, size)
    _reserved(chart, axes, size)
    _phases(chart, axes)
    _card(chart, axes, size)
    _peak(chart, axes, size)
    _legend(chart, axes)


def _areas(chart: MemoryTimeline, axes: Axes, size: int) -> None:
    below = [0.0] * len(chart.columns)
    for category, parts in zip(
        chart.categories, zip(*map(chart.parts, chart.columns), strict=True), strict=True
    ):
        above = [low + part / size for low, (_, part) in zip(below, parts, strict=True)]
        for start, stop in _stretches([low < high for low, high in zip(below, above, strict=True)]):
            outline = [*_stairs(above[start:stop], start), *reversed(_stairs(below[start:stop], start))]
            axes.add_patch(Polygon(outline, **LOOKS[category.value]))
        below = above
    axes.plot(*zip(*_stairs(below, 0), strict=True), color=INK, linewidth=0.8)


def _stretches(there: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """[start, stop) of each run of columns that have something."""
    at = 0
    for some, run in groupby(there):
        length = len(list(run))
        if some:
            yield at, at + length
        at += length


def _stairs(levels: Sequence[float], start: int) -> list[tuple[float, float]]:
    """The corners of a line that is at each level for one column, from column `start` on; none where it is straight."""
    corners: list[tuple[float, float]] = []
    at = float(start)
    for level, run in groupby(levels):
        length = len(list(run))
        corners += [(at, level), (at + length, level)]
        at += length
    return corners


def _reserved(chart: MemoryTimeline, axes: Axes, size: int) -> None:
    corners = _stairs([column.reserved_bytes / size for column in chart.columns], 0)
    axes.plot(*zip(*corners, strict=True), color=FAINT, linewidth=1, linestyle=(0, (1, 1.5)))


def _phases(chart: MemoryTimeline, axes: Axes) -> None:
    """A line where each begins, its name below; where it is too narrow for it, a line further below."""
    per_column = AXIS / len(chart.columns)
    taken = {1: 0.0, 2: 0.0}
    for span in chart.spans:
        axes.axvline(span.first, color=FAINT, linewidth=0.5, linestyle=(0, (4, 4)))
        middle, width = (span.first + span.last) / 2 * per_column, (span.last - span.first) * per_column
        names = [name for name in SHORT_NAMES[span.mark.phase] if len(name) > 1]
        name = next((name for name in names if len(name) * LETTER < width), "")
        line = 1 if name else 2
        half = len(name or names[-1]) * LETTER / 2
        if middle - half >= taken[line]:
            _under(axes, middle / per_column, name or names[-1], line)
            taken[line] = middle + half + LETTER
    steps = sorted({span.mark.step for span in chart.spans} - {0})
    for step in steps if len(steps) > 1 else ():
        own = [span for span in chart.spans if span.mark.step == step]
        _under(axes, (own[0].first + own[-1].last) / 2, f"step {step}", 3)
    axes.set_xticks([])
    axes.xaxis.labelpad = 12 * (2 if len(steps) < 2 else 3) + 4


def _under(axes: Axes, x: float, text: str, line: int) -> None:
    axes.annotate(
        text,
        (x, 0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, -12 * line),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )


def _card(chart: MemoryTimeline, axes: Axes, size: int) -> None:
    """The line of what the card can give out; where it would be far above, in words."""
    scene = chart.scene
    if scene.capacity_bytes is None:
        return
    words = f"{plain(scene.capacity_name)}: {format_bytes(scene.capacity_bytes)} beside the CUDA context"
    level = scene.drawn_capacity
    if level is None:
        axes.annotate(
            f"↑ {words}", (0.995, 0.985), xycoords="axes fraction", ha="right", va="top", color=ALARM
        )
        return
    axes.axhline(level / size, color=ALARM, linewidth=1.4, linestyle=(0, (6, 3)))
    at = chart.peak_column
    right = at is None or at < len(chart.columns) / 2
    axes.annotate(
        words,
        (0.995 if right else 0.005, level / size),
        xycoords=axes.get_yaxis_transform(),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right" if right else "left",
        color=ALARM,
    )
    if (x := chart.failure_column) is not None:
        _cross(axes, [x + 0.5], [level / size])


def _cross(axes: Axes, x: list[float], y: list[float]) -> Any:
    """Where memory runs out."""
    look: dict[str, Any] = {
        "marker": "X",
        "markersize": 10,
        "color": ALARM,
        "markeredgecolor": "white",
        "linestyle": "",
    }
    return axes.plot(x, y, **look)[0]


def _peak(chart: MemoryTimeline, axes: Axes, size: int) -> None:
    """A mark on the highest level, and how high it is: to the side where there is more room."""
    at = chart.peak_column
    if at is None:
        return
    left = at > len(chart.columns) / 2
    x, y = at + 0.5, chart.scene.peak_bytes / size
    axes.plot(x, y, marker="v", markersize=7, color=INK, markeredgecolor="white", clip_on=False, zorder=5)
    axes.annotate(
        f"peak {format_bytes(chart.scene.peak_bytes)}",
        (x, y),
        xytext=(-6 if left else 6, 6),
        textcoords="offset points",
        ha="right" if left else "left",
        fontweight="bold",
        zorder=6,
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.85, "linewidth": 0},
    )


def _legend(chart: MemoryTimeline, axes: Axes) -> None:
    """The categories as they lie on top of each other, with what each holds at the highest level shown."""
    highest = max(chart.columns, key=lambda column: column.allocated_bytes)
    show = bytes_column([highest.allocated_bytes])
    rows: list[tuple[Any, str]] = [
        (Patch(**LOOKS[category.value]), f"{category.value}  {show(size) if size else '–'}")
        for category, size in reversed(chart.parts(highest))
    ]
    line = axes.plot([], [], color=FAINT, linewidth=1, linestyle=(0, (1, 1.5)))[0]
    rows += [
        (Patch(alpha=0), f"allocated  {show(highest.allocated_bytes)}"),
        (line, f"reserved  {show(highest.reserved_bytes)}"),
    ]
    if chart.failure_column is not None:
        rows.append((_cross(axes, [], []), f"{plain(chart.scene.capacity_name)} is full"))
    axes.legend(
        *zip(*rows, strict=True),
        title="at the peak" if chart.peak_column is not None else "at the highest level here",
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0,
        handleheight=1.4,
        handlelength=2.2,
    )
