"""What is in use at the peak of each run: one bar a run, the card's line across them."""

from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from anatomy.documents.charts import Breakdown
from anatomy.documents.scene import FAR_OFF
from anatomy.plots.drawing import ALARM, FAINT, INK, LOOKS, cropped, headed, plain
from anatomy.render.axes import unit_of
from anatomy.units import bytes_column, format_bytes

WIDTH, AROUND, A_BAR = 11.0, 1.9, 0.34
"""Inches: of all; above and below the bars; of one."""
LABEL = 60
"""Letters of a run's name, at most."""


def draw_breakdown(chart: Breakdown, figure: Figure) -> None:
    """Bars from the left, the smallest peak on top; a tick on each where its reserved memory ends."""
    figure.set_size_inches(WIDTH, AROUND + A_BAR * max(3, len(chart.bars)))
    axes = figure.add_subplot()
    highest = max((max(bar.reserved_bytes, bar.total_bytes) for bar in chart.bars), default=1) or 1
    card = chart.capacity_bytes
    drawn = card if card is not None and card <= FAR_OFF * highest else None
    top = max(highest, drawn or 0)
    size, unit = unit_of(top)
    axes.set_xlim(0, 1.12 * top / size)
    axes.set_ylim(max(1, len(chart.bars)) - 0.4, -0.6)
    axes.set_xlabel(f"allocated at the peak ({unit})")
    headed(axes, chart.title, _remark(chart))
    _bars(chart, axes, size)
    axes.set_yticks(range(len(chart.bars)), [cropped(bar.label, LABEL) for bar in chart.bars])
    axes.tick_params(axis="y", length=0)
    if drawn is not None:
        axes.axvline(drawn / size, color=ALARM, linewidth=1.4, linestyle=(0, (6, 3)))
    _legend(chart, axes)


def _remark(chart: Breakdown) -> str:
    said = []
    if chart.capacity_bytes is not None:
        said.append(f"{chart.capacity_name}: {format_bytes(chart.capacity_bytes)} beside the CUDA context")
    if chart.left_out:
        said.append(f"{len(chart.left_out)} cannot be run")
    return "; ".join(said)


def _bars(chart: Breakdown, axes: Axes, size: int) -> None:
    show = bytes_column([bar.total_bytes for bar in chart.bars])
    for y, bar in enumerate(chart.bars):
        parts = dict(bar.parts)
        sizes = [parts.get(category, 0) / size for category in chart.categories]
        for category, width, left in zip(
            chart.categories, sizes, accumulate(sizes, initial=0.0), strict=False
        ):
            axes.barh(y, width, left=left, height=0.72, **LOOKS[category.value])
        axes.plot([bar.reserved_bytes / size] * 2, [y - 0.36, y + 0.36], color=INK, linewidth=1.6)
        verdict = "  does not fit" if bar.fits is False else ""
        _beside(axes, y, f"{show(bar.total_bytes)}{verdict}", ALARM if verdict else INK)


def _beside(axes: Axes, y: float, text: str, color: str) -> None:
    axes.annotate(
        text, (1.01, y), xycoords=axes.get_yaxis_transform(), va="center", color=color, fontweight="bold"
    )


def _legend(chart: Breakdown, axes: Axes) -> None:
    handles: list[Patch | Line2D] = [Patch(**LOOKS[c.value], label=c.value) for c in chart.categories]
    handles.append(
        Line2D(
            [],
            [],
            color=INK,
            marker="|",
            markersize=11,
            linestyle="",
            markeredgewidth=1.6,
            label="peak reserved",
        )
    )
    if chart.capacity_bytes is not None:
        name = plain(chart.capacity_name)
        handles.append(Line2D([], [], color=ALARM, linewidth=1.4, linestyle=(0, (6, 3)), label=name))
    axes.figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=6,
        handleheight=1.4,
        handlelength=2.2,
        labelcolor=INK,
    )
    axes.grid(visible=True, axis="x", color=FAINT, alpha=0.25, linewidth=0.5)
    axes.set_axisbelow(True)
