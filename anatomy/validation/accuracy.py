"""What the errors of many predictions come to. Pure: values in, values out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean, median
from typing import Protocol, TypeVar


class Compared(Protocol):
    """One figure of one run, predicted and measured."""

    @property
    def error(self) -> float | None:
        """Predicted less measured, as a share of what was measured; None where one of the two is missing."""


C = TypeVar("C", bound=Compared)


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """The errors of a group of comparisons, as shares of what was measured; None where no comparison has a number."""

    group: str
    comparisons: int
    """Those with a number."""
    failures: int
    """Those without."""
    median: float | None
    """Half of the errors are smaller, signs aside."""
    p95: float | None
    """The error that 95 % do not exceed (nearest rank), signs aside."""
    worst: float | None
    """The largest error, with its sign."""
    bias: float | None
    """Mean of the signed errors."""
    underestimates: float | None
    """Share of the comparisons that predicted less than was measured."""


def accuracies(comparisons: Iterable[C], by: Callable[[C], str]) -> tuple[Accuracy, ...]:
    """The accuracy of each group that `by` names, in order of first appearance."""
    groups: dict[str, list[float | None]] = {}
    for comparison in comparisons:
        groups.setdefault(by(comparison), []).append(comparison.error)
    return tuple(_accuracy(name, group) for name, group in groups.items())


def _accuracy(name: str, found: Sequence[float | None]) -> Accuracy:
    errors = [error for error in found if error is not None]
    sizes = sorted(map(abs, errors))
    return Accuracy(
        group=name,
        comparisons=len(errors),
        failures=len(found) - len(errors),
        median=median(sizes) if sizes else None,
        p95=sizes[ceil(0.95 * len(sizes)) - 1] if sizes else None,
        worst=max(errors, key=abs, default=None),
        bias=fmean(errors) if errors else None,
        underestimates=sum(e < 0 for e in errors) / len(errors) if errors else None,
    )
