"""A run over many pairs: one process each, resumable, and no folder's rows older than the libraries."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from anatomy.coverage.examine import Examined
from anatomy.coverage.pairs import Pair
from anatomy.coverage.rows import read_rows
from anatomy.coverage.valid import Correction, corrections
from anatomy.profiling.cells.results import Task
from anatomy.profiling.cells.runner import Progress, run_cells
from anatomy.versions import installed

SECONDS = 1800.0
"""For one pair. Nearly all take less than a minute; the slowest, whose layers loop over tokens in Python, took half of it on a
busy machine."""


def run_pairs(
    pairs: Sequence[Pair],
    folder: Path,
    *,
    jobs: int,
    layers: int | None = None,
    retry_failed: bool = True,
    time_limit: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> tuple[Examined, ...]:
    """Examine every pair of which `folder` has no row yet; returns the rows of all that are finished.

    `layers`: at most so many of each model, for a quick look; None for the whole of it.
    """
    run_cells(
        [_task(pair, layers) for pair in pairs],
        folder,
        worker="anatomy.coverage.examine:examine",
        kept="anatomy.coverage.rows:ROWS",
        jobs=jobs,
        threads=1,
        timeout=SECONDS,
        time_limit=time_limit,
        retry_failed=retry_failed,
        progress=progress,
    )
    return read_rows(folder, pairs)


def _task(pair: Pair, layers: int | None) -> Task:
    """What the pair's row depends on, but for this package."""
    correction = asdict(corrections().get(pair.model_type, Correction()))
    definition = {"pair": asdict(pair), "layers": layers, "correction": correction, "versions": installed()}
    return Task(name=pair.name, definition=definition)
