"""Anatomy's own figures beside other tools are those of the checked-in reports."""

import csv
import re
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERSIONS = ("published_versions", "published")
"""The reports with the measured versions and with today's, in the order of the columns."""
SIX = (32, 34, 56, 58, 76, 78)
"""Rows of the measurements that every tool answers."""
ALLOCATED, DEVICE = "peak allocated", "peak device"


def figures(report: str) -> dict[tuple[int, str], tuple[int, float]]:
    """(row, figure) -> measured bytes, and the answer's error in percent of them."""
    with (ROOT / "reports" / f"{report}.csv").open(encoding="utf-8", newline="") as file:
        found = [
            row
            for row in csv.DictReader(file)
            if row["id"].startswith("fms main ") and row["predicted_bytes"]
        ]
    return {
        (int(row["id"].split()[-1]), row["figure"]): (
            int(row["measured_bytes"]),
            100 * (int(row["predicted_bytes"]) - int(row["measured_bytes"])) / int(row["measured_bytes"]),
        )
        for row in found
    }  # fmt: skip


FIGURES = [figures(report) for report in VERSIONS]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def errors(row: int, figure: str) -> list[float]:
    return [found[row, figure][1] for found in FIGURES]


TABLE = {int(cells(line)[0]): cells(line) for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)}


@pytest.mark.parametrize("row", TABLE)
def test_a_row_is_the_reports_row(row: int) -> None:
    for figure, at in ((ALLOCATED, 2), (DEVICE, 7)):
        assert TABLE[row][at] == f"{FIGURES[0][row, figure][0] / 2**30:.2f}"
        assert TABLE[row][at + 1 : at + 3] == [f"{error:+.1f} %" for error in errors(row, figure)]


def summary(figure: str) -> tuple[list[float], list[float]]:
    """Medians without sign and largest errors of the six, with the measured versions and with today's."""
    both = list(zip(*(errors(row, figure) for row in SIX), strict=True))
    return [median(map(abs, found)) for found in both], [max(found, key=abs) for found in both]


def test_medians_and_largest_are_of_the_six() -> None:
    assert set(SIX) < set(TABLE)
    lines = {cells(line)[1]: cells(line) for line in PAGE.splitlines() if line.startswith("| |")}
    for figure, at in ((ALLOCATED, 3), (DEVICE, 8)):
        medians, largest = summary(figure)
        said = lines["median of the six, without sign"]
        assert said[at : at + 2] == [f"{value:.2f} %" for value in medians]
        assert lines["largest"][at : at + 2] == [f"{value:+.2f} %" for value in largest]


def test_the_other_four_are_said_as_they_are() -> None:
    said = " ".join(PAGE.partition("anatomy's errors there")[2].partition("\n\n")[0].split())
    allocated, _, device = said.partition("on the device")
    number = re.compile(r"[+-]\d+\.\d+")
    pairs = number.findall(allocated)
    said_of = {(row, ALLOCATED): pairs[at : at + 2] for row, at in ((0, 0), (2, 2), (8, 4), (10, 4))}
    pairs = number.findall(device)
    said_of |= {(row, DEVICE): pairs[at : at + 2] for row, at in ((0, 0), (2, 2), (8, 4), (10, 6))}
    for (row, figure), found in said_of.items():
        decimals = len(found[0].partition(".")[2]), len(found[1].partition(".")[2])
        assert found == [
            f"{error:+.{places}f}" for error, places in zip(errors(row, figure), decimals, strict=True)
        ]


def test_the_readme_has_the_same_summary() -> None:
    rows = {
        cells(line)[0]: cells(line)[1:] for line in README.splitlines() if line.startswith("| anatomy, with")
    }
    for at, name in enumerate(("the versions that were measured", "today's versions")):
        for column, figure in enumerate((ALLOCATED, DEVICE)):
            medians, largest = summary(figure)
            said = rows[f"anatomy, with {name}"][column]
            decimals = [len(number.partition(".")[2]) for number in re.findall(r"\d+\.\d+", said)]
            assert said == f"{medians[at]:.{decimals[0]}f} % ({largest[at]:+.{decimals[1]}f} %)"
