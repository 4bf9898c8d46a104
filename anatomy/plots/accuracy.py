"""Predicted against measured: every figure over three decades on the left, by how much it is off on the right."""

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from anatomy.documents.charts import Accuracy, Point
from anatomy.plots.drawing import FAINT, INK, cropped, headed
from anatomy.render.axes import unit_of
from anatomy.render.palette import OKABE_ITO

SIZE = (11, 5.4)
"""Inches."""
AROUND = 1.6
"""From the outermost figures to the edges, as factors: 1, 2 or 5 is always between the edges."""
MARKERS = "osD^vPX*<>hp"
"""Of groups, so that they are told apart without colour."""
NAMED = 3
"""Points whose run is named: those that are furthest off."""
_BY: dict[str, Callable[[Point], str]] = {
    "figure": lambda point: point.figure,
    "family": lambda point: point.family,
    "method": lambda point: point.method,
}
"""What points can be grouped by; the first that makes several groups, but not too many, is taken."""


def draw_accuracy(chart: Accuracy, figure: Figure) -> None:
    """Two panels with the same points; bands where the error is small."""
    figure.set_size_inches(*SIZE)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    headed(left, chart.title, chart.words)
    points = [p for p in chart.points if p.measured_bytes and p.predicted_bytes]
    if not points:
        return
    sides = [side for p in points for side in (p.predicted_bytes, p.measured_bytes)]
    size, unit = unit_of(max(sides))
    low, high = min(sides) / size / AROUND, max(sides) / size * AROUND
    left.plot([low, high], [low, high], color=FAINT, linewidth=0.8)
    _bands(chart, right, low, high)
    for axes in (left, right):
        _logarithmic(axes, low, high, unit)
    left.set_yscale("log")
    left.set_ylim(low, high)
    _whole_numbers(left.yaxis)
    left.set_ylabel(f"predicted ({unit})")
    right.set_ylabel("predicted less measured (% of measured)")
    limit = 1.15 * max(100 * chart.bands[-1], *(abs(100 * _error(p)) for p in points))
    right.set_ylim(-limit, limit)
    _points(points, left, right, size)
    _name_the_worst(points, right, size)


def _error(point: Point) -> float:
    return point.error or 0.0


def _bands(chart: Accuracy, axes: Axes, low: float, high: float) -> None:
    for band, shade in zip(sorted(chart.bands, reverse=True), ("#e4e4e4", "#bdbdbd"), strict=True):
        axes.axhspan(-100 * band, 100 * band, color=shade, linewidth=0, zorder=0)
        axes.annotate(
            f"±{100 * band:g} %",
            (high, 100 * band),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            color=FAINT,
            annotation_clip=False,
        )
    axes.plot([low, high], [0, 0], color=FAINT, linewidth=0.8)


def _logarithmic(axes: Axes, low: float, high: float, unit: str) -> None:
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    _whole_numbers(axes.xaxis)
    axes.set_xlabel(f"measured ({unit})")


def _whole_numbers(axis: Any) -> None:
    """1, 2, 5, 10, ... as they are read, in place of powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _points(points: Sequence[Point], left: Axes, right: Axes, size: int) -> None:
    by = next((by for by in _BY.values() if 1 < len({by(p) for p in points}) <= len(MARKERS)), _BY["figure"])
    groups = sorted({by(point) for point in points})
    for at, group in enumerate(groups):
        own = [point for point in points if by(point) == group]
        measured = [p.measured_bytes / size for p in own]
        look: dict[str, Any] = {
            "marker": MARKERS[at % len(MARKERS)],
            "color": OKABE_ITO[at % len(OKABE_ITO)],
            "edgecolors": INK,
            "linewidths": 0.5,
            "s": 30,
            "zorder": 3,
        }
        left.scatter(measured, [p.predicted_bytes / size for p in own], **look)
        right.scatter(
            measured, [100 * _error(p) for p in own], label=cropped(f"{group} ({len(own)})", 40), **look
        )
    right.figure.legend(
        loc="outside lower center", ncols=min(6, len(groups)), columnspacing=1, handletextpad=0.2
    )


def _name_the_worst(points: Sequence[Point], axes: Axes, size: int) -> None:
    """The names of the runs that are furthest off; of one run, once."""
    worst: dict[str, Point] = {}
    for point in sorted(points, key=lambda p: -abs(_error(p))):
        if len(worst) < NAMED:
            worst.setdefault(point.label, point)
    for point in worst.values():
        axes.annotate(
            cropped(point.label, 30),
            (point.measured_bytes / size, 100 * _error(point)),
            xytext=(5, 3),
            textcoords="offset points",
            fontsize=8,
            zorder=2,  # below the marks: none may be hidden
        )
