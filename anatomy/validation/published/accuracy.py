"""Predicted beside measured, and what the errors come to. Pure: values in, values out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from statistics import fmean, median

from anatomy.validation.published.row import Figure, Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One figure of one run."""

    row: Row
    figure: Figure
    measured_bytes: int
    predicted_bytes: int | None
    """None when the rehearsal gave no number; `failure` then says why."""
    peak: str = ""
    """Where the prediction has its allocated peak."""
    failure: str = ""

    @property
    def error_bytes(self) -> int | None:
        """Predicted less measured: negative when too little was predicted."""
        return None if self.predicted_bytes is None else self.predicted_bytes - self.measured_bytes

    @property
    def error(self) -> float | None:
        """The signed error as a share of what was measured."""
        return None if self.error_bytes is None else self.error_bytes / self.measured_bytes


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


def accuracies(comparisons: Iterable[Comparison], by: Callable[[Comparison], str]) -> tuple[Accuracy, ...]:
    """The accuracy of each group that `by` names, in order of first appearance."""
    groups: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        groups.setdefault(by(comparison), []).append(comparison)
    return tuple(found for name, group in groups.items() if (found := _accuracy(name, group)) is not None)


def _accuracy(name: str, group: list[Comparison]) -> Accuracy | None:
    errors = [c.error for c in group if c.error is not None]
    if not errors:
        return None
    sizes = sorted(map(abs, errors))
    return Accuracy(
        group=name,
        comparisons=len(errors),
        failures=len(group) - len(errors),
        median=median(sizes),
        p95=sizes[ceil(0.95 * len(sizes)) - 1],
        worst=max(errors, key=abs),
        bias=fmean(errors),
        underestimates=sum(e < 0 for e in errors) / len(errors),
    )


GROUPS: Mapping[str, Callable[[Comparison], str]] = {
    "figure": lambda c: c.figure.metric,
    "method": lambda c: c.row.method,
    "method and figure": lambda c: f"{c.row.method}, {c.figure.metric}",
    "publisher": lambda c: c.row.publisher,
}
"""The ways in which the tables group the comparisons."""
