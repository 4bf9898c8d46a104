"""What the predictions are held to. Fixed before the runs, and shown with what was found."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from anatomy.validation.cell import Cell
from anatomy.validation.scores import PEAK, PEAKS, RESTING, Validation, everything


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One limit on the errors of one metric."""

    metric: str
    """A metric, or the beginning of several."""
    statistic: Literal["median", "worst"]
    at_most: float
    """A share of what was measured, without its sign."""
    only_held_out: bool
    """Whether cells that were looked at do not count, where some are held out."""


ON_GPU = (
    Bar(metric=PEAK, statistic="median", at_most=0.005, only_held_out=True),
    Bar(metric=PEAKS["reserved"], statistic="median", at_most=0.02, only_held_out=True),
    Bar(metric=PEAKS["device"], statistic="median", at_most=0.03, only_held_out=True),
)
ON_CPU = (
    Bar(metric=PEAK, statistic="worst", at_most=0.01, only_held_out=False),
    Bar(metric=RESTING, statistic="worst", at_most=0.0, only_held_out=False),
)
"""A CPU's allocator keeps nothing back: levels between phases are exact, peaks but for scratch inside kernels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A bar, and what was found."""

    metric: str
    statistic: str
    cells: str
    """Which cells it is about."""
    at_most: float
    found: float | None
    """None where no cell has a number."""

    @property
    def size(self) -> float | None:
        """What was found, without its sign."""
        return None if self.found is None else abs(self.found)

    @property
    def met(self) -> bool:
        """Whether the bar is met; not where there is no number."""
        return self.size is not None and self.size <= self.at_most

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; shares in percent."""
        found = None if self.found is None else 100 * self.found
        return {**asdict(self), "at_most": 100 * self.at_most, "found": found, "met": self.met}


def checks(validation: Validation) -> tuple[Check, ...]:
    """The bars that apply to what was measured."""
    on_gpu = any(score.cell.profile.get("device") == "cuda" for score in validation.cells)
    return tuple(check for bar in (ON_GPU if on_gpu else ON_CPU) for check in _checks(validation, bar))


def passes(validation: Validation) -> bool:
    """Whether every bar is met, every cell was run, and none failed."""
    failures = any(score.failure for score in validation.cells)
    return not failures and not validation.left and all(check.met for check in checks(validation))


def _checks(validation: Validation, bar: Bar) -> Iterator[Check]:
    held = bar.only_held_out and any(score.cell.hold_out for score in validation.cells)

    def group(cell: Cell) -> str:
        return "held out" if held and cell.hold_out else "the others" if held else everything(cell)

    metrics = [metric for metric in validation.metrics if metric.startswith(bar.metric)] or [bar.metric]
    for metric in metrics:
        wanted = "held out" if held else "all cells"
        found = next((a for a in validation.accuracy(metric, group) if a.group == wanted), None)
        yield Check(
            metric=metric,
            statistic=bar.statistic,
            cells=wanted,
            at_most=bar.at_most,
            found=None if found is None else getattr(found, bar.statistic),
        )
