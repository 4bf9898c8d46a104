"""Pictures of memory: a stretch of a run, and the peaks of several runs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from anatomy.documents.scene import Scene
from anatomy.memory.levels import CATEGORIES, Column, Rest, Sampled, Span, sampled
from anatomy.memory.timeline import Category
from anatomy.units import format_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryTimeline:
    """Memory in use over a stretch of a run, as stacked categories. The axis is the order of events, not time."""

    title: str
    scene: Scene
    """The run, its peak in words and the card that it is held against."""
    sampled: Sampled
    """The stretch, cut into columns: each stands at the highest level of its entries, so that no peak is lost."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns; `stack` of each is in the order of `memory.levels.CATEGORIES` and adds up to `allocated_bytes`."""
        return self.sampled.columns

    @property
    def spans(self) -> tuple[Span, ...]:
        """The phases that have columns here, in order."""
        return tuple(span for span in self.sampled.spans if span.first < span.last)

    @property
    def categories(self) -> tuple[Category, ...]:
        """The categories that hold a byte in some column, from the bottom of the stack up."""
        held = [any(stack) for stack in zip(*(column.stack for column in self.columns), strict=True)]
        return tuple(category for category, some in zip(CATEGORIES, held, strict=True) if some)

    @property
    def rests(self) -> tuple[tuple[int, Rest], ...]:
        """(column, level at the end of a phase) of each phase that ends here."""
        return tuple(
            (at[-1], rest) for rest in self.scene.rests if (at := self.sampled.columns_of(rest.index))
        )

    @property
    def peak_column(self) -> int | None:
        """The column that the run's peak is in; None where it lies outside this stretch."""
        return next(iter(self.sampled.columns_of(self.scene.peak_index)), None)

    @property
    def failure_column(self) -> int | None:
        """The column in which the card's memory runs out; None where it does not, or outside this stretch."""
        failure = self.scene.failure
        return None if failure is None else next(iter(self.sampled.columns_of(failure.index)), None)

    def parts(self, column: Column) -> tuple[tuple[Category, int], ...]:
        """(category, bytes) of a column for each of `categories`; they add up to its `allocated_bytes`."""
        shown = self.categories
        return tuple((c, size) for c, size in zip(CATEGORIES, column.stack, strict=True) if c in shown)

    def resampled(self, columns: int) -> "MemoryTimeline":
        """The same stretch in another number of columns."""
        stretch = sampled(self.scene.levels, columns, self.sampled.start, self.sampled.stop)
        return replace(self, sampled=stretch)

    @property
    def words(self) -> str:
        """The picture in a sentence."""
        scene = self.scene
        card = (
            f"; {scene.capacity_name} gives out at most {format_bytes(scene.capacity_bytes)}"
            if scene.capacity_bytes is not None
            else ""
        )
        return f"Memory in use by category, event by event: {scene.peak_words}{card}."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready. Columns and spans are numbered from 0; spans are [first, last)."""
        scene = self.scene
        return {
            "title": self.title,
            "categories": [category.value for category in self.categories],
            "columns": list(self._columns()),
            "spans": [
                {"step": s.mark.step, "phase": s.mark.phase.value, "first": s.first, "last": s.last}
                for s in self.spans
            ],
            "resting": [
                {"step": r.mark.step, "phase": r.mark.phase.value, "column": at, "bytes": r.allocated_bytes}
                for at, r in self.rests
            ],
            "peak": {
                "bytes": scene.peak_bytes,
                "reserved_bytes": scene.peak_reserved_bytes,
                "index": scene.peak_index,
                "column": self.peak_column,
                "in_words": scene.peak_words,
            },
            "capacity": None
            if scene.capacity_bytes is None
            else {"gpu": scene.capacity_name, "bytes": scene.capacity_bytes},
            "fails_at_column": self.failure_column,
        }

    def _columns(self) -> Iterator[dict[str, Any]]:
        marks = (span.mark for span in self.spans for _ in range(span.first, span.last))
        for column, mark in zip(self.columns, marks, strict=False):
            yield {
                "index": column.index,
                "step": mark.step,
                "phase": mark.phase.value,
                "allocated_bytes": column.allocated_bytes,
                "reserved_bytes": column.reserved_bytes,
                "parts": [size for _, size in self.parts(column)],
            }


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One run, in use at its allocated peak."""

    label: str
    parts: tuple[tuple[Category, int], ...]
    """(category, bytes) of what is in use at the peak, in the order of the stack."""
    reserved_bytes: int
    """Peak reserved."""
    device_bytes: int
    """Reserved and the context: what nvidia-smi shows at most."""
    fits: bool | None = None
    """Whether it fits the card; None without a card."""

    @property
    def total_bytes(self) -> int:
        """Peak allocated: the sum of the parts."""
        return sum(size for _, size in self.parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Breakdown:
    """What is in use at the peak of each run, side by side."""

    title: str
    bars: tuple[Bar, ...]
    """The smallest first."""
    left_out: tuple[tuple[str, str], ...] = ()
    """(label, why) of runs that cannot be run."""
    capacity_bytes: int | None = None
    """What a process can allocate on the card beside its context; None without a card."""
    capacity_name: str = ""
    """The card's name."""

    @property
    def categories(self) -> tuple[Category, ...]:
        """The categories that hold a byte in some bar, from the beginning of the bars on."""
        held = {category for bar in self.bars for category, size in bar.parts if size}
        return tuple(category for category in CATEGORIES if category in held)

    @property
    def words(self) -> str:
        """The picture in a sentence."""
        if not self.bars:
            return "None of these runs is possible."
        least, most = self.bars[0], self.bars[-1]
        if least is most:
            return f"In use at the peak, by category: {format_bytes(least.total_bytes)} ({least.label})."
        return (
            f"In use at the peak of {len(self.bars)} runs, by category: from {format_bytes(least.total_bytes)} "
            f"({least.label}) to {format_bytes(most.total_bytes)} ({most.label})."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "title": self.title,
            "categories": [category.value for category in self.categories],
            "bars": [
                {
                    "label": bar.label,
                    "allocated_bytes": bar.total_bytes,
                    "reserved_bytes": bar.reserved_bytes,
                    "device_bytes": bar.device_bytes,
                    "fits": bar.fits,
                    "parts": [dict(bar.parts).get(category, 0) for category in self.categories],
                }
                for bar in self.bars
            ],
            "left_out": [{"label": label, "reason": reason} for label, reason in self.left_out],
            "capacity": None
            if self.capacity_bytes is None
            else {"gpu": self.capacity_name, "bytes": self.capacity_bytes},
        }
