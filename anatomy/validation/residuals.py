"""The residual list: allocations that really happened and were not foreseen, and the reverse.

Blocks of the same phase of the same step are matched as multisets, by more at first and then by less, because the
two sides can name an operator or a module differently: the rehearsal sees what a dispatch mode sees, the profiler
the outermost operator of a kernel.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from anatomy.memory.caching import round_size
from anatomy.memory.timeline import Phase, Timeline
from anatomy.profiling.measurement import Failure
from anatomy.profiling.record import Record
from anatomy.validation.comparison import loss_is_apart, unit_of
from anatomy.validation.levels import Place, finished
from anatomy.validation.matching import Lived, unmatched_of
from anatomy.validation.sides import Spell, Unit, lives, spells


@dataclass(frozen=True, kw_only=True, slots=True)
class Residual:
    """Blocks of one operator in one phase, all steps together, that the other side has no match for."""

    op: str
    phase: Phase
    blocks: int
    bytes: int
    largest_bytes: int
    module: str
    """The module of the largest one, as an example."""
    kept_bytes: int
    """Part of `bytes` that was still alive when the phase ended."""
    peak_bytes: int
    """Part of `bytes` that was alive at its side's peak."""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "op": self.op,
            "phase": self.phase.value,
            "blocks": self.blocks,
            "bytes": self.bytes,
            "largest_bytes": self.largest_bytes,
            "module": self.module,
            "kept_bytes": self.kept_bytes,
            "peak_bytes": self.peak_bytes,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Residuals:
    """What is left of both sides after matching."""

    unforeseen: tuple[Residual, ...]
    """Happened and was not foreseen; the most bytes first."""
    absent: tuple[Residual, ...]
    """Was foreseen and did not happen; the most bytes first."""
    lived_otherwise: tuple[Residual, ...]
    """Happened as foreseen, but was alive at its phase's end and was not foreseen to be, or the reverse."""
    measured_bytes: int
    """All blocks that happened in the compared steps, each once however long it lived."""
    predicted_bytes: int
    """All blocks that were foreseen for them."""
    notes: tuple[str, ...] = ()

    @property
    def unforeseen_bytes(self) -> int:
        """What happened and was not foreseen."""
        return sum(row.bytes for row in self.unforeseen)

    @property
    def absent_bytes(self) -> int:
        """What was foreseen and did not happen."""
        return sum(row.bytes for row in self.absent)

    @property
    def explained(self) -> float | None:
        """Share of the measured bytes that was foreseen; None where nothing was measured."""
        return 1 - self.unforeseen_bytes / self.measured_bytes if self.measured_bytes else None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "measured_bytes": self.measured_bytes,
            "predicted_bytes": self.predicted_bytes,
            "unforeseen_bytes": self.unforeseen_bytes,
            "absent_bytes": self.absent_bytes,
            "unforeseen": [row.to_dict() for row in self.unforeseen],
            "absent": [row.to_dict() for row in self.absent],
            "lived_otherwise": [row.to_dict() for row in self.lived_otherwise],
            "notes": list(self.notes),
        }


def residuals(record: Record) -> Residuals | None:
    """The residual list of a record; None where the profiler did not watch."""
    measurement = record.measurement
    if not measurement.observed.blocks:
        return None
    return between(
        predicted=record.prediction.timeline,
        measured=measurement.observed,
        unit=unit_of(measurement),
        loss_apart=loss_is_apart(record),
        failure=measurement.failure,
    )


def between(
    *,
    predicted: Timeline,
    measured: Timeline,
    unit: Unit,
    loss_apart: bool,
    failure: Failure | None = None,
) -> Residuals:
    """The residual list of two timelines, over the steps that both have; of a `failure`, over what ended before it.

    In the allocator's unit a block counts as what the caching allocator rounds it to. There, a measured block may
    also be up to 1 MiB larger than what was asked for, because the allocator does not split off less
    (c10/cuda/CUDACachingAllocator.cpp, should_split): it matches as well, and counts as explained whole. Where
    fewer micro-batches were rehearsed than ran, the last one stands for the further ones.
    """
    mine, real = spells(predicted, loss_apart=loss_apart), spells(measured, loss_apart=loss_apart)
    common = _common(mine, real, failure)
    repeats = _further_micro_batches(mine, real) if failure is None else {}
    foreseen = list(_blocks(predicted, mine, common, unit, repeats))
    happened = list(_blocks(measured, real, common, unit, {}))
    left = unmatched_of(foreseen, happened, near=unit == "allocator")
    return Residuals(
        unforeseen=_grouped(left.happened),
        absent=_grouped(left.foreseen),
        lived_otherwise=_grouped(left.lived_otherwise),
        measured_bytes=sum(block.bytes for block in happened),
        predicted_bytes=sum(block.bytes for block in foreseen),
        notes=tuple(_notes(mine, real, repeats)) if failure is None else (),
    )


def _blocks(
    timeline: Timeline, found: tuple[Spell, ...], places: set[Place], unit: Unit, repeats: dict[int, int]
) -> Iterator[Lived]:
    """The blocks born in `places`; those of a step's last micro-batch once more for each of its `repeats`."""
    born, freed = lives(timeline)
    peak = _peak(timeline)
    starts = [spell.start for spell in found]
    last = _last_micro_batches(found) if repeats else set[int]()
    for block, begin, end in zip(timeline.blocks, born, freed, strict=True):
        if begin < 0 or not block.bytes:
            continue
        position = bisect_right(starts, begin) - 1
        spell = found[position]
        if (spell.step, spell.phase) in places:
            lived = Lived(
                step=spell.step,
                phase=spell.phase,
                module=block.module,
                op=block.op,
                bytes=round_size(block.bytes) if unit == "allocator" else block.bytes,
                kept=end >= spell.end,
                at_peak=begin <= peak < end,
            )
            yield lived
            if position in last:
                yield from [lived] * repeats.get(spell.step, 0)


def _common(mine: tuple[Spell, ...], real: tuple[Spell, ...], failure: Failure | None) -> set[Place]:
    """The phases to compare: all of the steps that both have; where the run failed, those that it finished."""
    steps = {spell.step for spell in mine} & {spell.step for spell in real}
    ended = finished({(spell.step, spell.phase): None for spell in real}, failure)
    both = {(spell.step, spell.phase) for spell in (*mine, *real) if spell.step in steps}
    return both if failure is None else both & set(ended)


def _peak(timeline: Timeline) -> int:
    """The entry after which most bytes are in use; -1 for an empty trace."""
    level, highest, at = 0, -1, -1
    for index, entry in enumerate(timeline.trace):
        level += timeline.blocks[entry].bytes if entry >= 0 else -timeline.blocks[~entry].bytes
        if level > highest:
            highest, at = level, index
    return at


def _micro_batches(found: Iterable[Spell]) -> dict[int, int]:
    """Step -> its micro-batches: each has one backward."""
    counts: defaultdict[int, int] = defaultdict(int)
    for spell in found:
        counts[spell.step] += spell.phase is Phase.BACKWARD
    return counts


def _further_micro_batches(mine: Iterable[Spell], real: Iterable[Spell]) -> dict[int, int]:
    rehearsed = _micro_batches(mine)
    return {
        step: count - rehearsed[step]
        for step, count in _micro_batches(real).items()
        if 0 < rehearsed.get(step, 0) < count
    }


def _last_micro_batches(found: tuple[Spell, ...]) -> set[int]:
    """Positions of the spells of each step's last micro-batch."""
    last: dict[int, list[int]] = {}
    current: dict[int, list[int]] = {}
    for position, spell in enumerate(found):
        current.setdefault(spell.step, []).append(position)
        if spell.phase is Phase.BACKWARD:
            last[spell.step] = current.pop(spell.step)
    return {position for positions in last.values() for position in positions}


def _grouped(blocks: Iterable[Lived]) -> tuple[Residual, ...]:
    groups: defaultdict[tuple[str, Phase], list[Lived]] = defaultdict(list)
    for block in blocks:
        groups[block.op, block.phase].append(block)
    rows = (_residual(op, phase, alike) for (op, phase), alike in groups.items())
    return tuple(sorted(rows, key=lambda row: (-row.bytes, row.op, row.phase)))


def _residual(op: str, phase: Phase, blocks: list[Lived]) -> Residual:
    largest = max(blocks, key=lambda block: block.bytes)
    return Residual(
        op=op,
        phase=phase,
        blocks=len(blocks),
        bytes=sum(block.bytes for block in blocks),
        largest_bytes=largest.bytes,
        module=largest.module,
        kept_bytes=sum(block.bytes for block in blocks if block.kept),
        peak_bytes=sum(block.bytes for block in blocks if block.at_peak),
    )


def _notes(mine: Iterable[Spell], real: Iterable[Spell], repeats: dict[int, int]) -> Iterator[str]:
    common = {spell.step for spell in mine} & {spell.step for spell in real}
    for whose, found in (("measured", real), ("predicted", mine)):
        if alone := sorted({spell.step for spell in found} - common):
            yield f"steps that were only {whose} are left out: {', '.join(map(str, alone))}"
    if repeats:
        yield "further micro-batches of a step are taken to be like the last one that was rehearsed"
