"""A picture of many predictions: each beside what was measured."""

from dataclasses import dataclass
from typing import Any

BANDS = (0.01, 0.05)
"""Errors within which a prediction is pointed out as good, and as fair: shares of what was measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One figure of one run, predicted and measured."""

    label: str
    """The run."""
    family: str
    """Of its model."""
    method: str
    figure: str
    """What was measured: 'peak allocated'."""
    predicted_bytes: int
    measured_bytes: int

    @property
    def error(self) -> float | None:
        """Predicted less measured, as a share of measured; None where that is nothing."""
        return (
            (self.predicted_bytes - self.measured_bytes) / self.measured_bytes
            if self.measured_bytes
            else None
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """Figures predicted beside measured."""

    title: str
    points: tuple[Point, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    """(run and figure, why) of what has no prediction or no measurement."""
    bands: tuple[float, float] = BANDS

    def within(self, band: float) -> int:
        """Points whose error is at most this share."""
        return sum(point.error is not None and abs(point.error) <= band for point in self.points)

    @property
    def words(self) -> str:
        """The picture in a sentence."""
        near = " and ".join(f"{self.within(band)} within {100 * band:g} %" for band in self.bands)
        left = f"; {len(self.left_out)} have no number" if self.left_out else ""
        return f"Predicted against measured, {len(self.points)} figures: {near}{left}."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "title": self.title,
            "bands": list(self.bands),
            "within": {f"{100 * band:g} %": self.within(band) for band in self.bands},
            "points": [
                {
                    "label": p.label,
                    "family": p.family,
                    "method": p.method,
                    "figure": p.figure,
                    "predicted_bytes": p.predicted_bytes,
                    "measured_bytes": p.measured_bytes,
                    "error": p.error,
                }
                for p in self.points
            ],
            "left_out": [{"label": label, "reason": reason} for label, reason in self.left_out],
        }
