"""One figure, predicted and measured; and a phase's figures. Every difference is predicted less measured."""

from dataclasses import dataclass
from typing import Any

from anatomy.memory.timeline import Phase


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One figure, predicted and measured."""

    name: str
    predicted_bytes: int
    measured_bytes: int

    @property
    def bytes(self) -> int:
        """Predicted less measured: negative for an under-estimate."""
        return self.predicted_bytes - self.measured_bytes

    @property
    def error(self) -> float | None:
        """The difference as a share of what was measured; None where that is nothing."""
        return self.bytes / self.measured_bytes if self.measured_bytes else None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "name": self.name,
            "predicted_bytes": self.predicted_bytes,
            "measured_bytes": self.measured_bytes,
            "difference_bytes": self.bytes,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseDifference:
    """One phase of one step; of several micro-batches, the end of the last and the highest of all."""

    step: int
    phase: Phase
    end: Difference
    """Bytes in use when it ends."""
    highest: Difference
    """Most bytes in use during it."""
    end_reserved: Difference | None = None
    """Bytes held by the caching allocator when it ends; None on the CPU."""
    highest_reserved: Difference | None = None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        figures = (self.end, self.highest, self.end_reserved, self.highest_reserved)
        return {
            "step": self.step,
            "phase": self.phase.value,
            **{figure.name: figure.to_dict() for figure in figures if figure is not None},
        }
