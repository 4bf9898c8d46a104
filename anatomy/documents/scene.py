"""Scene: what a picture of memory shows beside the levels themselves, worked out once for a run."""

from dataclasses import dataclass

from anatomy.memory.allocator import OutOfMemory, Replay
from anatomy.memory.levels import Levels, Rest, levels, resting
from anatomy.planning.words import where
from anatomy.units import format_bytes

FAR_OFF = 3
"""A capacity of more than so many times the peak is not drawn: its line would press the picture flat."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """One run and the card it is held against."""

    levels: Levels
    peak_bytes: int
    """The highest allocated level of the whole run."""
    peak_index: int
    """The first entry that reaches it."""
    peak_words: str
    """How much it is and where."""
    peak_reserved_bytes: int
    rests: tuple[Rest, ...]
    capacity_bytes: int | None
    """What a process can allocate on the card beside its context; None without a card."""
    capacity_name: str
    """The card's name."""
    failure: OutOfMemory | None
    """Where the run ends for want of memory: on the card, or in the replay itself."""

    @property
    def drawn_capacity(self) -> int | None:
        """The capacity, unless it is so far above the peak that it is better said than drawn."""
        if self.capacity_bytes is None or self.capacity_bytes > FAR_OFF * self.peak_bytes:
            return None
        return self.capacity_bytes

    def top(self, *, reserved: bool) -> int:
        """The level at the upper edge of a picture, with or without the line of what is reserved."""
        return max(1, self.peak_bytes, self.drawn_capacity or 0, self.peak_reserved_bytes if reserved else 0)


def scene(
    replay: Replay,
    capacity_bytes: int | None = None,
    capacity_name: str = "",
    failure: OutOfMemory | None = None,
) -> Scene | None:
    """A run to be drawn; None when no entry of it ran. `failure`: on the card, if it is known; else the replay's."""
    index = replay.peak_allocated_index
    if index is None:
        return None
    return Scene(
        levels=levels(replay),
        peak_bytes=replay.allocated[index],
        peak_index=index,
        peak_words=f"peak {format_bytes(replay.allocated[index])} {words_at(replay, index)}",
        peak_reserved_bytes=replay.peak_reserved_bytes,
        rests=resting(replay),
        capacity_bytes=capacity_bytes,
        capacity_name=capacity_name,
        failure=failure or replay.out_of_memory,
    )


def words_at(replay: Replay, index: int) -> str:
    """What is running at an entry: 'in backward of step 2, in lm_head (aten.mm)'."""
    entry, mark = replay.timeline.trace[index], replay.timeline.mark_at(index)
    block = replay.timeline.blocks[entry if entry >= 0 else ~entry]
    return where(mark.phase, mark.step, block.module, block.op)
