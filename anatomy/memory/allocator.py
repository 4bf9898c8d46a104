"""Replay: what a caching allocator would hold while a timeline runs, on an endless device or on one of N bytes."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from anatomy.errors import RehearsalError
from anatomy.memory.caching import CachingAllocator, Chunk, round_size, segment_size
from anatomy.memory.expandable import ExpandableAllocator
from anatomy.memory.steady import repeat_last_step as repeated
from anatomy.memory.timeline import Mark, Phase, Timeline


@dataclass(frozen=True, kw_only=True, slots=True)
class OutOfMemory:
    """The request that could not be served, even after the cache was given back."""

    index: int
    """Index into the trace of the replayed timeline."""
    step: int
    phase: Phase
    module: str
    op: str
    requested_bytes: int
    segment_bytes: int
    """What the device was asked for: the 'Tried to allocate' of torch's message."""
    allocated_bytes: int
    """In use at that time."""
    reserved_bytes: int
    """Held at that time, after the cache was given back: the difference is fragmentation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceCall:
    """Memory taken from the device or given back: cudaMalloc and cudaFree, or a mapping of an expandable segment."""

    at: int
    """The trace entry that caused it; the one that failed is one too."""
    large: bool
    """For the large pool, or for the small one."""
    address: int
    bytes: int
    """Negative where it was given back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """A timeline, run through the allocator."""

    timeline: Timeline
    """What was replayed: with the repeated steps, when repetitions were asked for."""
    capacity: int | None
    """Bytes that the device could give out; None for no limit."""
    expandable_segments: bool
    allocated: Sequence[int]
    """Bytes in use after each trace entry (torch.cuda.memory_allocated); shorter than the trace when out of memory."""
    requested: Sequence[int]
    """The same without the allocator's rounding (the `requested_bytes` statistic)."""
    reserved: Sequence[int]
    """Bytes held after each trace entry (torch.cuda.memory_reserved)."""
    block_bytes: Sequence[int]
    """Size that the allocator gave to each block of the timeline; 0 for one that was never born."""
    block_address: Sequence[int]
    """Where each block lay. Which segment is how far from another is made up; two blocks of one segment are as far
    apart as shown. Means nothing where `block_bytes` is 0."""
    device_calls: tuple[DeviceCall, ...]
    """In order; they add up to the last of `reserved`, or to what was held when memory ran out."""
    retries: int
    """Times the cache was given back to the device to serve a request (`num_alloc_retries`)."""
    out_of_memory: OutOfMemory | None
    """Where the replay ended early, or None when it reached the end."""

    def __repr__(self) -> str:
        peaks = (
            f"{self.peak_allocated_bytes:,} bytes allocated at most, {self.peak_reserved_bytes:,} reserved"
        )
        return f"<Replay of {self.timeline!r}: {peaks}{', out of memory' if self.out_of_memory else ''}>"

    @property
    def peak_allocated_bytes(self) -> int:
        """Highest `allocated`: torch.cuda.max_memory_allocated()."""
        return max(self.allocated, default=0)

    @property
    def peak_requested_bytes(self) -> int:
        return max(self.requested, default=0)

    @property
    def peak_reserved_bytes(self) -> int:
        """Highest `reserved`: torch.cuda.max_memory_reserved()."""
        # It changes by calls to the device alone, which are few where entries are many; asked for once for every GPU.
        levels = dict(
            zip(
                (call.at for call in self.device_calls),
                accumulate(c.bytes for c in self.device_calls),
                strict=True,
            )
        )
        return max((level for at, level in levels.items() if at < len(self.reserved)), default=0)

    @property
    def peak_allocated_index(self) -> int | None:
        """The trace entry after which `allocated` is at its highest for the first time; None if none ran."""
        return self.allocated.index(self.peak_allocated_bytes) if self.allocated else None

    @property
    def peak_reserved_index(self) -> int | None:
        """The trace entry after which `reserved` is at its highest for the first time; None if none ran."""
        return self.reserved.index(self.peak_reserved_bytes) if self.reserved else None

    @property
    def reserved_at_phase_end(self) -> tuple[tuple[Mark, int], ...]:
        """Bytes held at the end of each phase that was reached."""
        levels = (0, *self.reserved)
        return tuple((mark, levels[end]) for mark, _, end in spans(self))


def spans(replay: Replay) -> tuple[tuple[Mark, int, int], ...]:
    """(mark, start, end) of each phase that the replay reached; the entries are [start, end)."""
    marks, reached = replay.timeline.marks, len(replay.allocated)
    ends = [*(mark.at for mark in marks[1:]), len(replay.timeline.trace)]
    return tuple((m, m.at, min(end, reached)) for m, end in zip(marks, ends, strict=True) if m.at <= reached)


def replay(
    timeline: Timeline,
    *,
    capacity: int | None = None,
    repeat_last_step: int = 0,
    empty_cache_before_step: int | None = None,
    expandable_segments: bool = False,
) -> Replay:
    """Run a timeline through torch's caching allocator.

    `capacity`: bytes that cudaMalloc can give out in all. `repeat_last_step`: run the last training step that
    many more times (see `steady.repeat_last_step`). `empty_cache_before_step`: call torch.cuda.empty_cache()
    when that step begins. Stops where the device runs out of memory; the replay says where. A block of 0
    bytes takes nothing.

    Raises RehearsalError for a timeline that frees what is not alive, makes a block twice, or has no phases,
    and for a step that cannot be repeated or does not exist.
    """
    _check(timeline)
    timeline = repeated(timeline, repeat_last_step)
    if empty_cache_before_step not in (None, *(mark.step for mark in timeline.marks)):
        raise RehearsalError(
            f"The cache cannot be emptied before step {empty_cache_before_step}: there is no such step.",
            hint=f"the last step is {timeline.marks[-1].step}",
        )
    run = _Run(timeline, ExpandableAllocator if expandable_segments else CachingAllocator, capacity)
    empty_at = next((mark.at for mark in timeline.marks if mark.step == empty_cache_before_step), -1)
    failed_at = run.until_the_end(empty_at)
    return Replay(
        timeline=timeline,
        capacity=capacity,
        expandable_segments=expandable_segments,
        allocated=run.allocated,
        requested=run.requested,
        reserved=run.reserved,
        block_bytes=run.block_bytes,
        block_address=run.block_address,
        device_calls=tuple(run.device_calls),
        retries=run.allocator.retries,
        out_of_memory=None if failed_at is None else _out_of_memory(timeline, run.allocator, failed_at),
    )


def _check(timeline: Timeline) -> None:
    """Refuse a record that contradicts itself, as a damaged file can."""
    if not timeline.marks or timeline.marks[0].at != 0:
        raise RehearsalError("The timeline does not begin with a phase.")
    if any(a.at > b.at for a, b in pairwise(timeline.marks)) or timeline.marks[-1].at > len(timeline.trace):
        raise RehearsalError("The timeline's phases are out of order.")
    if any(block.bytes < 0 for block in timeline.blocks):
        raise RehearsalError("The timeline has a block of less than 0 bytes.")
    unborn, alive = set(range(len(timeline.blocks))), set[int]()
    for index, entry in enumerate(timeline.trace):
        try:
            if entry >= 0:
                unborn.remove(entry)
                alive.add(entry)
            else:
                alive.remove(~entry)
        except KeyError:
            deed = f"makes block {entry}" if entry >= 0 else f"frees block {~entry}"
            raise RehearsalError(
                f"The timeline {deed} at entry {index}, which is not possible then."
            ) from None


class _Run:
    """The levels of one replay while it runs."""

    def __init__(self, timeline: Timeline, kind: type[CachingAllocator], capacity: int | None) -> None:
        self.timeline = timeline
        self.allocator = kind(capacity, self._note)
        self.allocated = array("q")
        self.requested = array("q")
        self.reserved = array("q")
        self.block_bytes = array("q", bytes(8 * len(timeline.blocks)))
        self.block_address = array("q", bytes(8 * len(timeline.blocks)))
        self.device_calls: list[DeviceCall] = []

    def _note(self, large: bool, address: int, size: int) -> None:
        """One level is kept for each entry that is over, so that their number is the entry at work."""
        call = DeviceCall(at=len(self.reserved), large=large, address=address, bytes=size)
        self.device_calls.append(call)

    def until_the_end(self, empty_at: int) -> int | None:
        """Replay every entry, emptying the cache before entry `empty_at`; the entry that failed, or None."""
        allocator, blocks = self.allocator, self.timeline.blocks
        alive: dict[int, Chunk | None] = {}
        requested = 0
        for index, entry in enumerate(self.timeline.trace):
            if index == empty_at:
                allocator.empty_cache()
            if entry >= 0:
                size = blocks[entry].bytes
                chunk = allocator.malloc(size) if size else None
                if chunk is not None:
                    self.block_bytes[entry] = chunk.size
                    self.block_address[entry] = chunk.address
                elif size:
                    return index
                alive[entry] = chunk
                requested += size
            else:
                chunk = alive.pop(~entry)
                if chunk is not None:
                    allocator.free(chunk)
                requested -= blocks[~entry].bytes
            self.allocated.append(allocator.allocated)
            self.requested.append(requested)
            self.reserved.append(allocator.reserved)
        return None


def _out_of_memory(timeline: Timeline, allocator: CachingAllocator, index: int) -> OutOfMemory:
    block, mark = timeline.blocks[timeline.trace[index]], timeline.mark_at(index)
    return OutOfMemory(
        index=index,
        step=mark.step,
        phase=mark.phase,
        module=block.module,
        op=block.op,
        requested_bytes=block.bytes,
        segment_bytes=segment_size(round_size(block.bytes)),
        allocated_bytes=allocator.allocated,
        reserved_bytes=allocator.reserved,
    )
