"""The memory timeline: stacked areas with a cursor that the mouse, a finger or the arrow keys move."""

from collections.abc import Iterator, Sequence

from anatomy.documents.charts import MemoryTimeline
from anatomy.memory.levels import Column, Span
from anatomy.render.html.behind import behind, legend
from anatomy.render.html.markup import Markup, element
from anatomy.render.html.placed import Placed
from anatomy.render.html.tables import Cell, Grid
from anatomy.render.palette import CATEGORY_COLORS
from anatomy.units import bytes_column, format_bytes

HEIGHT = 1000
"""Units of the drawing from its foot to its top; one unit to the right is one column."""
MARKS = 5
"""The scale has at most so many marks above nothing."""


def timeline(chart: MemoryTimeline, id_: str, placed: Placed) -> Markup:
    """The figure: words, legend, drawing, what is alive at the cursor, and the numbers behind it."""
    top = chart.scene.top(reserved=True)
    return element(
        "figure",
        element("figcaption", chart.words),
        legend(chart.categories, "Categories, to show and hide"),
        element(
            "div",
            element("div", list(_scale(top, placed)), class_="scale", aria_hidden="true"),
            element(
                "div",
                _drawing(chart, top),
                list(_labels(chart, top, placed)),
                class_="field",
                **_slider(chart),
            ),
            element("div", list(_phases(chart, placed)), class_="phases", aria_hidden="true"),
            class_="plot",
        ),
        _readout(chart),
        behind(_numbers(chart), id_),
        class_="chart timeline",
        data_top=top,
    )


def _slider(chart: MemoryTimeline) -> dict[str, str | int]:
    at = chart.peak_column or 0
    return {
        "role": "slider",
        "tabindex": 0,
        "aria_label": "Instant of the run",
        "aria_valuemin": 0,
        "aria_valuemax": len(chart.columns) - 1,
        "aria_valuenow": at,
        "aria_valuetext": said_at(chart, at),
    }


def said_at(chart: MemoryTimeline, at: int) -> str:
    """'backward of step 2: 10.67 GiB in use, 11.43 GiB reserved'."""
    column = chart.columns[at]
    return (
        f"{_name(_span(chart, at))}: {format_bytes(column.allocated_bytes)} in use, "
        f"{format_bytes(column.reserved_bytes)} reserved"
    )


def _span(chart: MemoryTimeline, at: int) -> Span | None:
    return next((span for span in chart.spans if span.first <= at < span.last), None)


def _name(span: Span | None) -> str:
    if span is None:
        return "between phases"
    return span.mark.phase.value + (f" of step {span.mark.step}" if span.mark.step else "")


def _drawing(chart: MemoryTimeline, top: int) -> Markup:
    """Areas from the bottom of the stack up, the line of what is reserved, the card's, and the cursor."""
    below = [0] * len(chart.columns)
    areas: list[Markup] = []
    for category in chart.categories:
        sizes = [dict(chart.parts(column))[category] for column in chart.columns]
        above = [low + size for low, size in zip(below, sizes, strict=True)]
        areas.append(
            element(
                "path",
                d=_area(below, above, top),
                fill=CATEGORY_COLORS[category],
                class_="area",
                data_category=category.value,
            )
        )
        below = above
    reserved = "".join(_steps([column.reserved_bytes for column in chart.columns], top))
    lines = [element("path", d=f"M{reserved[1:]}", class_="reserved")]
    if chart.scene.drawn_capacity is not None:
        y = _y(chart.scene.drawn_capacity, top)
        lines.append(element("path", d=f"M0 {y}H{len(chart.columns)}", class_="card"))
    peak = (chart.peak_column or 0) + 0.5
    lines.append(element("path", d=f"M{peak} 0V{HEIGHT}", class_="cursor"))
    return element(
        "svg",
        areas,
        lines,
        viewbox=f"0 0 {len(chart.columns)} {HEIGHT}",
        preserveaspectratio="none",
        aria_hidden="true",
    )


def _area(below: Sequence[int], above: Sequence[int], top: int) -> str:
    """A stepped area: its upper edge to the right, its lower edge back."""
    up = "".join(_steps(above, top))
    down = "".join(f"V{_y(level, top)}H{at}" for at, level in reversed([*enumerate(below)]))
    return f"M{up[1:]}{down}Z"


def _steps(levels: Sequence[int], top: int) -> Iterator[str]:
    for at, level in enumerate(levels):
        yield f"L{at} {_y(level, top)}H{at + 1}" if not at else f"V{_y(level, top)}H{at + 1}"


def _y(level: int, top: int) -> str:
    return f"{HEIGHT - HEIGHT * level / top:.1f}".removesuffix(".0")


def _scale(top: int, placed: Placed) -> Iterator[Markup]:
    show = bytes_column([top])
    for level in marks(top):
        yield element("span", show(level), class_=placed.at(bottom=level / top))


def marks(top: int) -> tuple[int, ...]:
    """Round levels up to `top`: 1, 2 or 5 of a power of two's tenfolds apart, at most `MARKS` above nothing."""
    unit = 1 << max(0, (top.bit_length() - 1) // 10 * 10)
    steps = (round(unit * step * 10**power) for power in (-2, -1, 0, 1, 2, 3) for step in (1, 2, 5))
    step = next(step for step in steps if step >= 1 and top // step <= MARKS)
    return tuple(range(0, top + 1, step))


def _labels(chart: MemoryTimeline, top: int, placed: Placed) -> Iterator[Markup]:
    scene = chart.scene
    if scene.drawn_capacity is not None:
        text = f"{scene.capacity_name}: {format_bytes(scene.drawn_capacity)} beside the CUDA context"
        yield element("span", text, class_=f"label card {placed.at(bottom=scene.drawn_capacity / top)}")
    on_the_right = (chart.peak_column or 0) * 2 < len(chart.columns)  # away from the peak's
    reserved = chart.columns[-1 if on_the_right else 0].reserved_bytes
    side = placed.at(right=0.0) if on_the_right else placed.at(left=0.0)
    yield element("span", "reserved", class_=f"label reserves {side} {placed.at(bottom=reserved / top)}")
    if chart.peak_column is not None:
        at = chart.peak_column / len(chart.columns)
        side = placed.at(left=at) if at < 0.5 else placed.at(right=1 - at)
        place = f"{side} {placed.at(bottom=scene.peak_bytes / top)}"
        yield element("span", f"peak {format_bytes(scene.peak_bytes)}", class_=f"label peak {place}")


def _phases(chart: MemoryTimeline, placed: Placed) -> Iterator[Markup]:
    whole = len(chart.columns)
    for span in chart.spans:
        place = placed.at(left=span.first / whole, width=(span.last - span.first) / whole)
        yield element("span", span.mark.phase.value, class_=place, title=_name(span))


def _readout(chart: MemoryTimeline) -> Markup:
    """What is alive at the peak; a script puts there what is alive at the cursor."""
    at = chart.peak_column or 0
    parts = [
        element("div", element("dt", category.value), element("dd", format_bytes(size)))
        for category, size in chart.parts(chart.columns[at])
    ]
    return element("div", element("p", said_at(chart, at)), element("dl", parts), class_="readout")


def _numbers(chart: MemoryTimeline) -> Grid:
    columns = chart.columns
    shows = [bytes_column(column.allocated_bytes for column in columns)] * (2 + len(chart.categories))
    names = ("in use", "reserved", *(category.value for category in chart.categories))

    def row(at: int, column: Column) -> list[Cell]:
        sizes = (column.allocated_bytes, column.reserved_bytes, *(size for _, size in chart.parts(column)))
        return [
            Cell(text=_name(_span(chart, at)), keep=True),
            Cell(text=f"{column.index:,}", value=column.index, right=True),
            *(
                Cell(text=show(size), value=size, right=True, keep=True)
                for show, size in zip(shows, sizes, strict=True)
            ),
        ]

    return Grid(
        name="Memory in use, event by event",
        heads=(("phase", False), ("event", True), *((name, True) for name in names)),
        rows=[row(at, column) for at, column in enumerate(columns)],
        caption="each line stands at the highest of its events; the categories add up to what is in use",
    )
