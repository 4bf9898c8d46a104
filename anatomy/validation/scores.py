"""The cells of a grid, each with its figures predicted and measured, or with why there are none. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from anatomy.errors import AnatomyError
from anatomy.memory.timeline import Phase
from anatomy.planning.words import where
from anatomy.profiling.cells.results import FailedCell
from anatomy.profiling.measurement import Failure
from anatomy.profiling.record import Record
from anatomy.result import Result
from anatomy.validation.accuracy import Accuracy, accuracies
from anatomy.validation.cell import Cell, cell_of
from anatomy.validation.comparison import ProfileComparison, compare
from anatomy.validation.difference import Difference

PEAK = "peak allocated"
PEAKS: Mapping[str, str] = {"allocated": PEAK, "reserved": "peak reserved", "device": "device use"}
"""A comparison's name of a peak -> ours."""
RESTING = "resting after "
"""Begins the names of the levels between phases: of loading, and of the last step."""
MEANINGS: Mapping[str, str] = {
    PEAK: "torch.cuda.max_memory_allocated(); on the CPU, the most bytes in use",
    PEAKS["reserved"]: "torch.cuda.max_memory_reserved()",
    PEAKS["device"]: "the most that the driver saw in use; predicted: reserved, and the assumed context",
}
SCORED_VERSIONS = ("torch", "transformers", "peft", "bitsandbytes")
"""Libraries whose versions decide what a run does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellScore:
    """What became of one cell."""

    cell: Cell
    figures: tuple[Difference, ...] = ()
    """By metric: the peaks, then the resting levels in the order of the phases."""
    failure: str = ""
    """Why there is no measurement, or none of a whole run; '' where there is."""
    not_scored: str = ""
    """Why the figures do not count: measured with other versions, or not predictable here; '' where they do."""
    machine: str = ""
    """Where it was measured."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """With what."""
    notes: tuple[str, ...] = ()

    @property
    def peak(self) -> Difference | None:
        """The allocated peak."""
        return self.figure(PEAK)

    def figure(self, metric: str) -> Difference | None:
        """A figure by its metric."""
        return next((figure for figure in self.figures if figure.name == metric), None)

    @property
    def worst_resting(self) -> Difference | None:
        """The resting level that is missed by most bytes; of an exact cell, the first."""
        levels = [figure for figure in self.figures if figure.name.startswith(RESTING)]
        return max(levels, key=lambda figure: abs(figure.bytes), default=None)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            **self.cell.to_dict(),
            "machine": self.machine,
            "versions": dict(self.versions),
            "figures": {figure.name: figure.to_dict() for figure in self.figures},
            "failure": self.failure,
            "not_scored": self.not_scored,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One figure of one cell, as the statistics take it."""

    cell: Cell
    metric: str
    error: float | None
    """Predicted less measured as a share of what was measured; None of a cell that failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation(Result):
    """A grid, predicted and measured."""

    title: str
    """What the grid is called."""
    cells: tuple[CellScore, ...]
    """Each run with its errors, or with the reason why it has none."""
    left: tuple[str, ...] = ()
    """Names of the cells that were not run, for want of time."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Installed versions, with which it was predicted."""
    predicted_again: bool = False
    """Whether the predictions were made anew, apart from the measurements."""

    def __repr__(self) -> str:
        scored = sum(bool(cell.figures) and not cell.not_scored for cell in self.cells)
        return f"<Validation {self.title!r}: {scored} of {len(self.cells) + len(self.left)} cells scored>"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that were measured: peaks, then resting levels."""
        found = {figure.name for cell in self.cells for figure in cell.figures}
        order = (*PEAKS.values(), *(f"{RESTING}{phase.value}" for phase in Phase))
        return tuple(metric for metric in order if metric in found)

    @property
    def scores(self) -> tuple[Score, ...]:
        """Every figure that counts; of a cell that failed, every metric without a number."""
        return tuple(_scores(self.cells, self.metrics))

    def accuracy(self, metric: str, by: Callable[[Cell], str]) -> tuple[Accuracy, ...]:
        """The errors of one metric, grouped."""
        return accuracies((s for s in self.scores if s.metric == metric), lambda score: by(score.cell))


def _scores(cells: Iterable[CellScore], metrics: Iterable[str]) -> Iterator[Score]:
    for score in cells:
        if score.not_scored:
            continue
        for metric in metrics:
            figure = None if score.failure else score.figure(metric)
            if figure is not None or score.failure:
                yield Score(cell=score.cell, metric=metric, error=None if figure is None else _error(figure))


def _error(figure: Difference) -> float:
    """As a share; of nothing measured, all that was predicted is too much."""
    if figure.error is not None:
        return figure.error
    return 1.0 if figure.bytes else 0.0


GROUPS: Mapping[str, Callable[[Cell], str]] = {
    "held out": lambda cell: "held out" if cell.hold_out else "not held out",
    "method": lambda cell: cell.recipe.method,
    "family": lambda cell: cell.family,
    "model": lambda cell: cell.model,
}
"""The ways in which the tables group the cells."""


def everything(cell: Cell) -> str:
    """One group for all cells."""
    return "all cells"


def score(record: Record) -> CellScore:
    """A record's figures. Raises SourceError for a record of no cell, RehearsalError for a damaged timeline."""
    measurement = record.measurement
    found = CellScore(
        cell=cell_of(record.labels),
        machine=measurement.machine.name,
        versions={name: measurement.machine.versions.get(name, "") for name in SCORED_VERSIONS},
    )
    comparison = compare(record)
    if measurement.failure is not None:
        foreseen = "as predicted" if comparison.out_of_memory else "predicted to fit"
        return replace(found, failure=f"{_ended(measurement.failure)} ({foreseen})")
    return replace(found, figures=tuple(_figures(comparison)), notes=(*measurement.notes, *comparison.notes))


def unscored(record: Record, reason: str) -> CellScore:
    """A record whose figures do not count, shown with the prediction that it holds."""
    return replace(score(record), not_scored=reason)


def failed(cell: Cell, result: FailedCell) -> CellScore:
    """A cell without a record."""
    return CellScore(cell=cell, failure=result.reason)


def other_versions(measured: Mapping[str, str], installed: Mapping[str, str]) -> str:
    """What speaks against predicting a run again here: 'measured with torch 2.12.0, installed 2.13.0'; '' for nothing.

    Patch releases and builds are taken as equal.
    """
    differing = [
        f"measured with {name} {measured.get(name) or 'none'}, installed {installed.get(name) or 'none'}"
        for name in SCORED_VERSIONS
        if _minor(measured.get(name, "")) != _minor(installed.get(name, ""))
    ]
    return "; ".join(differing)


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.partition("+")[0].split(".")[:2])


def _figures(comparison: ProfileComparison) -> Iterator[Difference]:
    for peak in comparison.peaks:
        if peak.name in PEAKS:
            yield replace(peak, name=PEAKS[peak.name])
    for row in comparison.levels:
        yield replace(row.end, name=f"{RESTING}{row.phase.value}")


def _ended(failure: Failure) -> str:
    return f"out of memory {where(failure.phase, failure.step, failure.module, '')}".strip()


def safe_score(record: Record) -> CellScore:
    """`score`; a comparison that cannot be made is a failure of the cell, and counts as one."""
    try:
        return score(record)
    except AnatomyError as error:
        return CellScore(cell=cell_of(record.labels), failure=error.message)
