"""A picture of a measured run: how much each phase had in use, predicted beside measured."""

from dataclasses import dataclass
from typing import Any

from anatomy.documents.signed import signed_share
from anatomy.units import format_bytes
from anatomy.validation.difference import Difference, PhaseDifference


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseLevels:
    """Levels of a run's phases: the most that was in use during each, and what was when it ended."""

    title: str
    what: str
    """What is counted: 'allocated' blocks of the caching allocator, or 'requested' bytes."""
    rows: tuple[PhaseDifference, ...]
    """In order, loading first; at least one."""

    @property
    def highest(self) -> PhaseDifference:
        """The phase in which most was measured."""
        return max(self.rows, key=lambda row: row.highest.measured_bytes)

    @property
    def words(self) -> str:
        """The picture in a sentence."""
        row = self.highest
        place = f"{row.phase.value} of step {row.step}" if row.step else row.phase.value
        return f"Memory {self.what} in each phase, predicted beside measured: at most {said(row.highest)}, in {place}."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"title": self.title, "what": self.what, "phases": [row.to_dict() for row in self.rows]}


def said(figure: Difference) -> str:
    """'204.00 MiB measured, 200.00 MiB predicted (-1.96 %)'."""
    error = "" if figure.error is None else f" ({signed_share(figure.error)})"
    return f"{format_bytes(figure.measured_bytes)} measured, {format_bytes(figure.predicted_bytes)} predicted{error}"
