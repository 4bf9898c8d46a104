"""Published figures predicted beside measured. Pure: values in, values out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from anatomy.validation.accuracy import Accuracy, accuracies
from anatomy.validation.published.row import Figure, Row

__all__ = ["GROUPS", "Accuracy", "Comparison", "accuracies"]


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


GROUPS: Mapping[str, Callable[[Comparison], str]] = {
    "figure": lambda c: c.figure.metric,
    "method": lambda c: c.row.method,
    "method and figure": lambda c: f"{c.row.method}, {c.figure.metric}",
    "publisher": lambda c: c.row.publisher,
}
"""The ways in which the tables group the comparisons."""
