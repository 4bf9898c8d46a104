"""What the errors of many predictions come to. Pure: values in, values out."""

from collections.abc import Callable, Iterable
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
    """The errors of a group of comparisons, as shares of what was measured."""

    group: str
    comparisons: int
    """Those with a number."""
    failures: int
    """Those without."""
    median: float
    """Half of the errors are smaller, signs aside."""
    p95: float
    """The error that 95 % do not exceed (nearest rank), signs aside."""
    worst: float
    """The largest error, with its sign."""
    bias: float
    """Mean of the signed errors."""
    underestimates: float
    """Share of the comparisons that predicted less than was measured."""


def accuracies(comparisons: Iterable[C], by: Callable[[C], str]) -> tuple[Accuracy, ...]:
    """The accuracy of each group that `by` names, in order of first appearance; none of a group without numbers."""
    groups: dict[str, list[C]] = {}
    for comparison in comparisons:
        groups.setdefault(by(comparison), []).append(comparison)
    return tuple(found for name, group in groups.items() if (found := _accuracy(name, group)) is not None)


def _accuracy(name: str, group: Iterable[Compared]) -> Accuracy | None:
    found = [comparison.error for comparison in group]
    errors = [error for error in found if error is not None]
    if not errors:
        return None
    sizes = sorted(map(abs, errors))
    return Accuracy(
        group=name,
        comparisons=len(errors),
        failures=len(found) - len(errors),
        median=median(sizes),
        p95=sizes[ceil(0.95 * len(sizes)) - 1],
        worst=max(errors, key=abs),
        bias=fmean(errors),
        underestimates=sum(e < 0 for e in errors) / len(errors),
    )
