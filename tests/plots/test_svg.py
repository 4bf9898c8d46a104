"""A shorter SVG is the same drawing."""

import re

import pytest

from anatomy.plots.svg import short_path, shortened


def points(path: str) -> list[tuple[float, float]]:
    """Where a path of straight lines leads, by the letters of SVG 1.1, 8.3."""
    found, x, y = [], 0.0, 0.0
    for command, numbers in re.findall(r"([MLHVz])([^MLHVz]*)", path):
        given = [float(number) for number in numbers.split()]
        x = {"H": given[:1], "V": [x], "z": [x]}.get(command, given)[0]
        y = {"V": given[:1], "H": [y], "z": [y]}.get(command, given[1:])[0]
        found.append((x, y))
    return found


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M 34.453443 319.999057 \nL 631.735792 319.999057 \nL 631.735792 31.358521 \nz\n", "M34.45 320H631.74V31.36z"),
        ("M 0 0 \nL 1 1 \nL 1.001 1.002 \nL 2 1", "M0 0L1 1H2"),
        ("M -0.001 5 L -0.004 -2.5", "M0 5V-2.5"),
        ("M 0 1.118034 C 0.296506 1.118034 0.580909 1 0.790569 0.790569 z", "M 0 1.12 C 0.3 1.12 0.58 1 0.79 0.79 z"),
    ],
)  # fmt: skip
def test_paths_by_example(path, short):
    assert short_path(path) == short


def test_a_line_goes_where_it_went():
    path = "M 1.23456 2 L 3 2 L 3 7.77777 L 1 1 L 1 1 z M 5 5 L 5 9 z"
    near, true = points(short_path(path)), points(path)
    kept = [at for at, before in zip(true, [None, *true], strict=False) if at != before]
    moved = [at for at, before in zip(near, [None, *near], strict=False) if at != before]
    assert len(moved) == len(kept)
    for (x, y), (a, b) in zip(moved, kept, strict=True):
        assert abs(x - a) <= 0.005
        assert abs(y - b) <= 0.005


def test_words_are_left_alone():
    svg = '<svg width="1.23456pt"><title>r 0.123456 &lt;path d="M 1 2"></title><text x="1" transform="rotate(-0 1 2)">3.14159</text></svg>'
    assert shortened(svg) == (
        '<svg width="1.23pt"><title>r 0.123456 &lt;path d="M 1 2"></title><text x="1">3.14159</text></svg>'
    )
    turned = '<text transform="rotate(-90 1.5 2)">up</text>'
    assert shortened(turned) == turned
