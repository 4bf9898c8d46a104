"""A measured run phase by phase: two bars for each, and their numbers."""

from anatomy.documents.charts import PhaseLevels
from anatomy.documents.signed import signed_share
from anatomy.render.html.behind import swatch
from anatomy.render.html.markup import Markup, element
from anatomy.render.html.tables import Cell, Grid, grid
from anatomy.render.palette import OKABE_ITO
from anatomy.units import bytes_column
from anatomy.validation.difference import Difference, PhaseDifference

COLORS = {"measured": OKABE_ITO[0], "predicted": OKABE_ITO[1]}


def phases(chart: PhaseLevels, id_: str) -> Markup:
    """One line a phase: the most that was in use, and what was at its end."""
    most = max(max(_sizes(row.highest)) for row in chart.rows) or 1
    show = bytes_column(size for row in chart.rows for figure in _figures(row) for size in _sizes(figure))

    def cells(row: PhaseDifference) -> list[Cell]:
        numbers: list[Cell] = []
        for figure in _figures(row):
            numbers += [Cell(text=show(size), value=size, right=True, keep=True) for size in _sizes(figure)]
            numbers.append(Cell(text=signed_share(figure.error), value=figure.error, right=True, keep=True))
        name = f"{row.step or ''} {row.phase.value}".strip()
        return [Cell(text=name, keep=True), Cell(markup=_bars(row.highest, most)), *numbers]

    figures = [f"{side}{when}" for when in ("", " after it") for side in (*COLORS, "off")]
    table = Grid(
        name=chart.title,
        heads=(("phase", False), ("at most", False), *((name, True) for name in figures)),
        rows=[cells(row) for row in chart.rows],
        caption="off: predicted less measured, in percent of measured",
    )
    keys = [element("li", swatch(color), name) for name, color in COLORS.items()]
    return element(
        "figure",
        element("figcaption", chart.words),
        element("ul", keys, class_="families"),
        grid(table, id_),
        class_="chart phases",
    )


def _figures(row: PhaseDifference) -> tuple[Difference, Difference]:
    return row.highest, row.end


def _sizes(figure: Difference) -> tuple[int, int]:
    return figure.measured_bytes, figure.predicted_bytes


def _bars(figure: Difference, most: int) -> Markup:
    rects = [
        element("rect", x=0, y=5 * at, width=f"{100 * size / most:.2f}", height=4.5, fill=color)
        for at, (size, color) in enumerate(zip(_sizes(figure), COLORS.values(), strict=True))
    ]
    return element(
        "svg", rects, viewbox="0 0 100 10", preserveaspectratio="none", class_="stack", aria_hidden="true"
    )
