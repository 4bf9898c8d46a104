"""Predictions beside measurements as marks: to the right what was measured, upwards by how much the prediction is off."""

from collections.abc import Callable, Iterator
from math import ceil, floor, log10

from anatomy.documents.charts import Accuracy, Point
from anatomy.documents.signed import signed_share
from anatomy.render.axes import unit_of
from anatomy.render.html.markup import Markup, element
from anatomy.units import format_bytes

LEFT, TOP, WIDTH, HEIGHT = 56, 8, 540, 300
"""Of the drawing, in its own units; around it stand ticks and names."""
BELOW, BESIDE = 44, 44
"""Room under it, and to its right."""
AROUND = 1.6
"""From the least measured to the left edge, and from the most to the right, as factors: 1, 2 or 5 is always between the edges."""
STEPS = (0.5, 1, 2, 5, 10, 20, 50, 100)
"""Percent from one tick of the error to the next; the first with at most four on either side is taken."""

CAPTION = "to the right: measured, in tenfolds; upwards: predicted less measured, in percent of measured"

Place = Callable[[float], float]


def scatter(chart: Accuracy) -> Markup | None:
    """The drawing, with ticks, units and the bands; None without a point that can be placed."""
    points = [p for p in chart.points if p.measured_bytes and p.predicted_bytes]
    if not points:
        return None
    measured = [p.measured_bytes for p in points]
    size, unit = unit_of(max(measured))
    low, high = log10(min(measured) / size / AROUND), log10(max(measured) / size * AROUND)
    most = 115 * max(chart.bands[-1], *(abs(p.error or 0.0) for p in points))

    def x(value: float) -> float:
        return LEFT + WIDTH * (log10(value) - low) / (high - low)

    def y(percent: float) -> float:
        return TOP + HEIGHT / 2 * (1 - percent / most)

    return element(
        "div",
        element(
            "svg",
            [*_bands(chart, y), *_across(low, high, unit, x), *_up(most, y)],
            [_dot(p, x(p.measured_bytes / size), y(100 * (p.error or 0.0))) for p in points],
            viewbox=f"0 0 {LEFT + WIDTH + BESIDE} {TOP + HEIGHT + BELOW}",
            role="img",
            aria_label=chart.words,
        ),
        element("p", CAPTION, class_="caption"),
        element("p", "", class_="readout", role="status"),
        class_="scatter",
    )


def _bands(chart: Accuracy, y: Place) -> Iterator[Markup]:
    """The widest first; each is named at its upper edge."""
    for band in sorted(chart.bands, reverse=True):
        top, bottom = y(100 * band), y(-100 * band)
        yield element("rect", x=LEFT, y=_at(top), width=WIDTH, height=_at(bottom - top), class_="band")
        yield _text(f"±{100 * band:g} %", LEFT + WIDTH + 4, top + 4, "start")
    yield element("path", d=f"M{LEFT} {_at(y(0))}h{WIDTH}", class_="equal")


def _across(low: float, high: float, unit: str, x: Place) -> Iterator[Markup]:
    bottom = TOP + HEIGHT
    for value in (step * 10.0**power for power in range(floor(low), ceil(high)) for step in (1, 2, 5)):
        if low <= log10(value) <= high:
            yield element("path", d=f"M{_at(x(value))} {bottom}v5", class_="tick")
            yield _text(f"{value:g}", x(value), bottom + 18, "middle")
    yield _text(f"measured ({unit})", LEFT + WIDTH / 2, bottom + 36, "middle")


def _up(most: float, y: Place) -> Iterator[Markup]:
    step = next((step for step in STEPS if most / step < 5), most)
    for number in range(-floor(most / step), floor(most / step) + 1):
        yield element("path", d=f"M{LEFT} {_at(y(step * number))}h-5", class_="tick")
        yield _text(f"{step * number:+g} %" if number else "0 %", LEFT - 8, y(step * number) + 4, "end")


def _dot(point: Point, x: float, y: float) -> Markup:
    said = (
        f"{point.label}: predicted {format_bytes(point.predicted_bytes)}, measured "
        f"{format_bytes(point.measured_bytes)} ({signed_share(point.error)})"
    )
    return element("circle", cx=_at(x), cy=_at(y), r=4, class_="dot", data_said=said)


def _text(words: str, x: float, y: float, anchor: str) -> Markup:
    return element("text", words, x=_at(x), y=_at(y), text_anchor=anchor)


def _at(place: float) -> str:
    return f"{place:.1f}"
