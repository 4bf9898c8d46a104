"""The scatter of a page: ticks with units on both axes, and bands that mean what they say."""

import re

import pytest

from anatomy.documents.charts import Accuracy, Point
from anatomy.render.html.scatter import HEIGHT, TOP, scatter

GIB = 1 << 30


def drawn(*errors: float, measured: int = 30 * GIB) -> str:
    points = tuple(
        Point(
            label=f"run {number}", family="f", method="m", figure="peak allocated",
            predicted_bytes=round(measured * (1 + error)), measured_bytes=measured,
        )
        for number, error in enumerate(errors)
    )  # fmt: skip
    return str(scatter(Accuracy(title="t", points=points)))


def heights(page: str, name: str, attribute: str) -> list[float]:
    return [float(found) for found in re.findall(rf'<{name}[^>]* {attribute}="([\d.]+)"', page)]


@pytest.mark.parametrize("gibibytes", [1, 3, 7, 12, 30, 49, 99, 300])
def test_there_is_a_tick_whatever_was_measured(gibibytes):
    page = drawn(0.0, measured=gibibytes * GIB)
    assert "measured (GiB)" in page
    assert re.search(r'text-anchor="middle">[125]0*</text>', page)


def test_bands_are_as_wide_as_they_say_on_the_scale_of_the_ticks():
    page = drawn(0.02, -0.2)
    five, one = heights(page, "rect", "height")
    assert five == pytest.approx(5 * one, abs=0.3)
    ticks = {
        words: float(y) - 4 for y, words in re.findall(r'y="([\d.]+)" text-anchor="end">([^<]+)</text>', page)
    }
    per_percent = (ticks["-10 %"] - ticks["+10 %"]) / 20
    assert five == pytest.approx(10 * per_percent, abs=0.3)
    assert {"±1 %", "±5 %"} <= {*re.findall(r'text-anchor="start">([^<]+)</text>', page)}
    middle = TOP + HEIGHT / 2
    first, second = heights(page, "circle", "cy")
    assert first == pytest.approx(middle - 2 * per_percent, abs=0.3)
    assert second == pytest.approx(middle + 20 * per_percent, abs=0.3)


def test_nothing_to_place_is_not_drawn():
    assert scatter(Accuracy(title="t", points=())) is None
    assert scatter(Accuracy(title="t", points=(Point(
        label="a", family="f", method="m", figure="x", predicted_bytes=0, measured_bytes=5),))) is None  # fmt: skip
