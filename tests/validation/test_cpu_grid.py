"""The grid of the CPU, run: predicted on meta, measured by torch.profiler with no dispatch mode active.

Exact between phases; at the peak but for scratch inside kernels, which the residual list has to name.
"""

from pathlib import Path

import pytest

from anatomy import api
from anatomy.profiling.cells.results import Results
from anatomy.validation.bars import passes
from anatomy.validation.grid import shipped
from anatomy.validation.residuals import residuals
from anatomy.validation.scores import CellScore, Validation

MOST_AT_THE_PEAK = 0.01
CELLS = shipped("cpu").cells


def run(folder: Path, *, quick: bool) -> Validation:
    names = tuple(cell.name for cell in CELLS if cell.quick is quick)
    found = api.validate("cpu", folder=folder, only=names)
    assert [score.cell.name for score in found.cells] == list(names)
    assert not found.left
    return found


def problems(score: CellScore) -> list[str]:
    """What keeps a cell from being exact."""
    if score.failure or score.not_scored:
        return [score.failure or score.not_scored]
    levels = [f for f in score.figures if f.name.startswith("resting")]
    found = [f"{f.name}: {f.bytes:+} B" for f in levels if f.bytes]
    assert len(score.figures) >= 7
    assert score.peak is not None
    assert score.peak.error is not None
    if abs(score.peak.error) > MOST_AT_THE_PEAK:
        found.append(f"{score.peak.name}: {score.peak.bytes:+} B")
    return found


def check(folder: Path, found: Validation) -> None:
    wrong = {score.cell.name: problems(score) for score in found.cells}
    assert {name: said for name, said in wrong.items() if said} == {}
    peaks = {score.cell.name: score.peak for score in found.cells}
    for _, record in Results(folder).runs():
        peak, listed = peaks[record.labels["cell"]], residuals(record)
        assert peak is not None
        assert listed is not None
        at_the_peak = sum(row.peak_bytes for row in (*listed.unforeseen, *listed.absent))
        assert at_the_peak >= abs(peak.bytes), record.labels["cell"]
        if record.measurement.recipe.precision == "fp32":  # in bf16, matrix products work in copies
            assert listed.explained is not None
            assert listed.explained > 0.9


def test_quick_cells_are_exact(tmp_path):
    found = run(tmp_path, quick=True)
    assert len(found.cells) >= 40
    assert len({score.cell.family for score in found.cells}) >= 12
    check(tmp_path, found)
    assert passes(found)


@pytest.mark.slow
def test_all_other_cells_are_exact(tmp_path):
    check(tmp_path, run(tmp_path, quick=False))
