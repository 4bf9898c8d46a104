"""A measured run phase by phase: two bars for each, measured and predicted, and how far they are apart."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from anatomy.documents.charts import PhaseLevels
from anatomy.documents.signed import signed_share
from anatomy.plots.drawing import FAINT, INK, headed
from anatomy.render.axes import SHORT_NAMES, unit_of
from anatomy.render.palette import OKABE_ITO
from anatomy.validation.difference import Difference

SIZE = (11, 5)
"""Inches."""
WIDTH = 0.4
"""Of a bar; 1 is from one phase to the next."""
LETTERS = 9
"""Of a phase's name, at most."""
_LOOKS: dict[str, dict[str, Any]] = {
    "measured": {"facecolor": OKABE_ITO[0], "edgecolor": INK},
    "predicted": {"facecolor": "#f2f2f2", "edgecolor": INK, "hatch": "///"},
}
"""Dark and plain, light and hatched: told apart in grey as well."""


def draw_phases(chart: PhaseLevels, figure: Figure) -> None:
    """Bars as high as the most that was in use; a line across each at what was in use when its phase ended."""
    figure.set_size_inches(*SIZE)
    axes = figure.add_subplot()
    figures = [figure for row in chart.rows for figure in (row.highest, row.end)]
    top = max(max(one.measured_bytes, one.predicted_bytes) for one in figures) or 1
    size, unit = unit_of(top)
    axes.set_ylim(0, 1.12 * top / size)
    axes.set_xlim(-0.6, len(chart.rows) - 0.4)
    axes.set_ylabel(f"{chart.what} ({unit})")
    headed(axes, chart.title, chart.words)
    for at, row in enumerate(chart.rows):
        _pair(axes, at, row.highest, row.end, size)
    _names(chart, axes)
    _legend(axes)


def _pair(axes: Axes, at: int, highest: Difference, end: Difference, size: int) -> None:
    sides = (
        ("measured", at - WIDTH, highest.measured_bytes, end.measured_bytes),
        ("predicted", at, highest.predicted_bytes, end.predicted_bytes),
    )
    for name, left, most, after in sides:
        axes.bar(left, most / size, WIDTH, align="edge", linewidth=0.6, **_LOOKS[name])
        axes.plot([left, left + WIDTH], [after / size] * 2, color="white", linewidth=3, solid_capstyle="butt")
        axes.plot([left, left + WIDTH], [after / size] * 2, color=INK, linewidth=1.4, solid_capstyle="butt")
    axes.annotate(
        signed_share(highest.error),
        (at, max(highest.measured_bytes, highest.predicted_bytes) / size),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )


def _names(chart: PhaseLevels, axes: Axes) -> None:
    """The phases below their bars, the steps below these."""
    names = [next(n for n in SHORT_NAMES[row.phase] if len(n) <= LETTERS) for row in chart.rows]
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0)
    for step in dict.fromkeys(row.step for row in chart.rows if row.step):
        own = [at for at, row in enumerate(chart.rows) if row.step == step]
        axes.annotate(
            f"step {step}",
            ((own[0] + own[-1]) / 2, 0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, -28),
            textcoords="offset points",
            ha="center",
        )
        axes.axvline(own[0] - 0.5, color=FAINT, linewidth=0.5, linestyle=(0, (4, 4)))


def _legend(axes: Axes) -> None:
    handles: list[Patch | Line2D] = [
        Patch(linewidth=0.6, label=f"{name}, at most", **look) for name, look in _LOOKS.items()
    ]
    handles.append(Line2D([], [], color=INK, linewidth=1.4, label="when the phase ended"))
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=3, handleheight=1.4)
