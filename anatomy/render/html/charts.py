"""Bars of several runs, and predictions beside measurements."""

from anatomy.documents.charts import Accuracy, Bar, Breakdown
from anatomy.documents.signed import signed_share
from anatomy.render.html.behind import behind, swatch
from anatomy.render.html.markup import Markup, element
from anatomy.render.html.scatter import scatter
from anatomy.render.html.tables import Cell, Grid, grid
from anatomy.render.palette import CATEGORY_COLORS
from anatomy.units import bytes_column, format_bytes


def breakdown(chart: Breakdown, id_: str) -> Markup:
    """One line a run: its bar, and its numbers."""
    most = max([bar.total_bytes for bar in chart.bars] + [chart.capacity_bytes or 0, 1])
    show = bytes_column([bar.device_bytes for bar in chart.bars])

    def row(bar: Bar) -> list[Cell]:
        parts = dict(bar.parts)
        sizes = (
            bar.total_bytes,
            bar.reserved_bytes,
            bar.device_bytes,
            *(parts.get(c, 0) for c in chart.categories),
        )
        numbers = (Cell(text=show(size), value=size, right=True, keep=True) for size in sizes)
        return [Cell(text=bar.label, keep=True), Cell(markup=_stack(bar, chart, most)), *numbers]

    names = ("in use", "reserved", "on the device", *(category.value for category in chart.categories))
    heads = (("run", False), ("at the peak", False), *((name, True) for name in names))
    keys = [element("li", swatch(CATEGORY_COLORS[category]), category.value) for category in chart.categories]
    table = Grid(
        name="In use at the peak of each run",
        heads=heads,
        rows=[row(bar) for bar in chart.bars],
        sortable=True,
        filterable=True,
        caption=_card(chart),
    )
    return element(
        "figure",
        element("figcaption", chart.words),
        element("ul", keys, class_="families"),
        grid(table, id_),
        class_="chart breakdown",
    )


def _card(chart: Breakdown) -> str:
    parts = "the categories add up to what is in use"
    if chart.capacity_bytes is None:
        return parts
    return f"{parts}; the line is what {chart.capacity_name} gives out, {format_bytes(chart.capacity_bytes)}"


def _stack(bar: Bar, chart: Breakdown, most: int) -> Markup:
    rects, start = [], 0
    for category, size in bar.parts:
        rects.append(
            element(
                "rect",
                x=_unit(start, most),
                width=_unit(size, most),
                height=10,
                fill=CATEGORY_COLORS[category],
            )
        )
        start += size
    if chart.capacity_bytes is not None:
        rects.append(element("path", d=f"M{_unit(chart.capacity_bytes, most)} 0V10", class_="card"))
    return element(
        "svg", rects, viewbox="0 0 100 10", preserveaspectratio="none", class_="stack", aria_hidden="true"
    )


def _unit(size: int, most: int) -> str:
    return f"{100 * size / most:.2f}"


def accuracy(chart: Accuracy, id_: str) -> Markup:
    """A scatter with the bands, where there is a point; the numbers as a table."""
    return element(
        "figure",
        element("figcaption", chart.words),
        scatter(chart),
        behind(_numbers(chart), id_),
        class_="chart accuracy",
    )


def _numbers(chart: Accuracy) -> Grid:
    show = bytes_column([size for p in chart.points for size in (p.predicted_bytes, p.measured_bytes)])
    return Grid(
        name=chart.title,
        heads=(
            ("run", False),
            ("family", False),
            ("method", False),
            ("predicted", True),
            ("measured", True),
            ("error", True),
        ),
        rows=[
            [
                Cell(text=p.label, keep=True),
                Cell(text=p.family),
                Cell(text=p.method),
                Cell(text=show(p.predicted_bytes), value=p.predicted_bytes, right=True, keep=True),
                Cell(text=show(p.measured_bytes), value=p.measured_bytes, right=True, keep=True),
                Cell(text=signed_share(p.error), value=p.error, right=True, keep=True),
            ]
            for p in chart.points
        ],
        sortable=True,
        filterable=True,
        caption="; ".join(f"{label} is left out: {why}" for label, why in chart.left_out),
    )
