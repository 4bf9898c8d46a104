"""A timeline as one of two sides to compare: its levels, its phases and its blocks' lives, in one unit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from anatomy.memory.allocator import Replay
from anatomy.memory.footprint import Instant
from anatomy.memory.timeline import Category, Phase, Timeline

Unit = Literal["requested", "allocator"]
"""'requested': bytes as asked for, what a CPU's allocator counts. 'allocator': sizes that the CUDA caching allocator gives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spell:
    """A stretch of the trace that belongs to one phase."""

    step: int
    phase: Phase
    start: int
    """Index of its first entry."""
    end: int
    """Index behind its last entry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """A replayed timeline in the unit of a comparison."""

    timeline: Timeline
    spells: tuple[Spell, ...]
    """As far as the replay went."""
    sizes: Sequence[int]
    """Bytes of each block."""
    levels: Sequence[int]
    """Bytes in use before the trace and after each of its entries."""
    reserved: Sequence[int] | None
    """Bytes held by the caching allocator at the same times; None in requested bytes."""

    def peak_index(self, until: int | None = None) -> int | None:
        """The entry after which the level is highest for the first time, of those before `until`; None for none."""
        reached = self.levels[1 : None if until is None else until + 1]
        return reached.index(max(reached)) if reached else None

    def instant(self, index: int) -> Instant:
        """What was running at an entry."""
        entry, mark = self.timeline.trace[index], self.timeline.mark_at(index)
        block = self.timeline.blocks[entry if entry >= 0 else ~entry]
        return Instant(index=index, step=mark.step, phase=mark.phase, module=block.module, op=block.op)

    def alive(self, index: int) -> list[int]:
        """The blocks alive after an entry."""
        alive: dict[int, None] = {}
        for entry in self.timeline.trace[: index + 1]:
            if entry >= 0:
                alive[entry] = None
            else:
                del alive[~entry]
        return list(alive)

    def by_category(self, index: int) -> dict[Category, int]:
        """Bytes of each category alive after an entry, in the vocabulary's order; they add up to the level."""
        sums: Counter[Category] = Counter()
        for block in self.alive(index):
            sums[self.timeline.blocks[block].category] += self.sizes[block]
        return {category: sums[category] for category in Category if sums[category]}


def side(replay: Replay, unit: Unit, *, loss_apart: bool) -> Side:
    """A replay in a unit. `loss_apart` False: the loss is a part of forward."""
    in_use = replay.allocated if unit == "allocator" else replay.requested
    blocks = replay.timeline.blocks
    return Side(
        timeline=replay.timeline,
        spells=spells(replay.timeline, loss_apart=loss_apart, until=len(in_use)),
        sizes=replay.block_bytes if unit == "allocator" else [block.bytes for block in blocks],
        levels=(0, *in_use),
        reserved=(0, *replay.reserved) if unit == "allocator" else None,
    )


def spells(timeline: Timeline, *, loss_apart: bool, until: int | None = None) -> tuple[Spell, ...]:
    """The phases, those that follow each other as one; without their loss where `loss_apart` is False."""
    last = len(timeline.trace) if until is None else until
    found: list[Spell] = []
    ends = [*(mark.at for mark in timeline.marks[1:]), len(timeline.trace)]
    for mark, end in zip(timeline.marks, ends, strict=True):
        if mark.at > last:
            break
        phase = mark.phase if loss_apart else without_loss(mark.phase)
        start = mark.at
        if found and (found[-1].step, found[-1].phase) == (mark.step, phase):
            start = found.pop().start
        found.append(Spell(step=mark.step, phase=phase, start=start, end=min(end, last)))
    return tuple(found)


def without_loss(phase: Phase) -> Phase:
    """The phase as one sees it who does not watch modules: the loss is computed in forward."""
    return Phase.FORWARD if phase is Phase.LOSS else phase


def lives(timeline: Timeline) -> tuple[list[int], list[int]]:
    """For each block the index at which it is born and the one at which it is freed (the trace's length for never).

    A block that was never born has -1 for both.
    """
    born = [-1] * len(timeline.blocks)
    freed = [-1] * len(timeline.blocks)
    for index, entry in enumerate(timeline.trace):
        if entry >= 0:
            born[entry], freed[entry] = index, len(timeline.trace)
        else:
            freed[~entry] = index
    return born, freed
