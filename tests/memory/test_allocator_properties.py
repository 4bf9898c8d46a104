"""Any sequence of births and deaths, against invariants and against a second, naive allocator."""

from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.memory.allocator import Replay, replay
from anatomy.memory.caching import CachingAllocator, Chunk
from anatomy.memory.expandable import ExpandableAllocator
from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline

MIB = 1 << 20
NEAR_LIMITS = [
    1,
    511,
    512,
    513,
    MIB - 512,
    MIB,
    MIB + 1,
    2 * MIB,
    9 * MIB,
    10 * MIB - 512,
    10 * MIB,
    11 * MIB,
    20 * MIB,
]
SIZES = st.sampled_from(NEAR_LIMITS) | st.integers(1, 64 * MIB) | st.integers(1, 4096)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Up to 60 entries; blocks may stay alive."""
    blocks: list[Block] = []
    trace: list[int] = []
    alive: list[int] = []
    for _ in range(draw(st.integers(0, 60))):
        if alive and draw(st.booleans()):
            trace.append(~alive.pop(draw(st.integers(0, len(alive) - 1))))
        else:
            alive.append(len(blocks))
            trace.append(len(blocks))
            blocks.append(Block(bytes=draw(SIZES), category=Category.TEMPORARIES))
    return Timeline(blocks=tuple(blocks), trace=tuple(trace), marks=(Mark(at=0, phase=Phase.LOAD, step=0),))


MODES = pytest.mark.parametrize("expandable", [False, True], ids=["segments", "expandable"])


@MODES
@given(timeline=timelines(), capacity=st.none() | st.integers(0, 256 * MIB))
def test_reserved_covers_allocated_covers_requested(
    expandable: bool, timeline: Timeline, capacity: int | None
) -> None:
    run = replay(timeline, capacity=capacity, expandable_segments=expandable)
    for requested, allocated, reserved in zip(run.requested, run.allocated, run.reserved, strict=True):
        assert requested <= allocated <= reserved
        assert capacity is None or reserved <= capacity
    assert (len(run.allocated) == len(timeline.trace)) == (run.out_of_memory is None)


@MODES
@given(timeline=timelines())
def test_room_for_the_peak_is_as_good_as_endless_room(expandable: bool, timeline: Timeline) -> None:
    endless = replay(timeline, expandable_segments=expandable)
    enough = replay(timeline, capacity=endless.peak_reserved_bytes, expandable_segments=expandable)
    assert levels(enough) == levels(endless)
    assert enough.retries == 0
    if endless.peak_allocated_bytes:
        less = replay(timeline, capacity=endless.peak_reserved_bytes - 1, expandable_segments=expandable)
        assert less.retries >= 1, "the cache must be given back at least once"


@MODES
@given(timeline=timelines())
def test_nothing_is_lost(expandable: bool, timeline: Timeline) -> None:
    """When every block is freed nothing is allocated, and an emptied cache holds nothing."""
    allocator, alive = run_through(timeline, ExpandableAllocator() if expandable else CachingAllocator())
    for chunk in alive:
        allocator.free(chunk)
    assert allocator.allocated == 0
    allocator.empty_cache()
    assert allocator.reserved == 0


@MODES
@given(timeline=timelines(), empty=st.booleans())
def test_the_chunks_tile_the_segments(expandable: bool, timeline: Timeline, empty: bool) -> None:
    allocator, alive = run_through(timeline, ExpandableAllocator() if expandable else CachingAllocator())
    if empty:
        allocator.empty_cache()
    free = [
        entry[-1] for pool in (allocator.small, allocator.large) for entry in (*pool.chunks, *pool.unmapped)
    ]
    everything = [*alive, *free]
    assert sum(c.size for c in alive) == allocator.allocated
    assert sum(c.size for c in everything if c.mapped) == allocator.reserved
    assert len({id(c) for c in everything}) == len(everything)
    for pool in (allocator.small, allocator.large):
        ordered = sorted((c for c in everything if c.pool is pool), key=lambda c: c.address)
        for a, b in pairwise(ordered):
            assert a.address + a.size <= b.address, "blocks overlap"
    for chunk in everything:
        after = chunk.next
        if after is not None:
            assert after.prev is chunk
            assert after.address == chunk.address + chunk.size
            alike = chunk.mapped == after.mapped
            assert chunk.in_use or after.in_use or not alike, "free neighbours are not merged"


@given(timeline=timelines(), capacity=st.none() | st.integers(0, 256 * MIB))
@settings(max_examples=300)
def test_same_levels_as_a_naive_allocator(timeline: Timeline, capacity: int | None) -> None:
    run = replay(timeline, capacity=capacity)
    assert levels(run) == Naive(capacity).levels(timeline)


def levels(run: Replay) -> list[tuple[int, int]]:
    return list(zip(run.allocated, run.reserved, strict=True))


def run_through(timeline: Timeline, allocator: CachingAllocator) -> tuple[CachingAllocator, list[Chunk]]:
    alive: dict[int, Chunk] = {}
    for entry in timeline.trace:
        if entry >= 0:
            chunk = allocator.malloc(timeline.blocks[entry].bytes)
            assert chunk is not None
            alive[entry] = chunk
        else:
            allocator.free(alive.pop(~entry))
    return allocator, list(alive.values())


@dataclass
class Segment:
    """What one cudaMalloc gave: a map of stretches, (start, size) -> the block that uses it, or None."""

    small: bool
    size: int
    stretches: dict[tuple[int, int], int | None] = field(default_factory=dict)


class Naive:
    """The same rules without any cleverness: no lists to keep sorted, no links, every search looks at everything."""

    def __init__(self, capacity: int | None) -> None:
        self.capacity = capacity
        self.segments: list[Segment] = []

    def levels(self, timeline: Timeline) -> list[tuple[int, int]]:
        found = []
        for entry in timeline.trace:
            if entry < 0:
                self.free(~entry)
            elif not self.malloc(entry, timeline.blocks[entry].bytes):
                break
            used = [
                size for s in self.segments for (_, size), user in s.stretches.items() if user is not None
            ]
            found.append((sum(used), sum(s.size for s in self.segments)))
        return found

    def malloc(self, user: int, requested: int) -> bool:
        size = ceil(requested / 512) * 512
        small = size <= MIB
        if not self.holes(small, size) and not self.grow(small, size):
            self.segments = [s for s in self.segments if list(s.stretches.values()) != [None]]
            if not self.grow(small, size):
                return False
        (whole, _, start), segment = min(self.holes(small, size), key=lambda hole: hole[0])
        del segment.stretches[start, whole]
        if whole - size >= 512 and (small or whole - size > MIB):
            segment.stretches[start + size, whole - size] = None
            whole = size
        segment.stretches[start, whole] = user
        return True

    def holes(self, small: bool, size: int) -> list[tuple[tuple[int, int, int], Segment]]:
        return [
            ((length, rank, start), segment)
            for rank, segment in enumerate(self.segments)
            for (start, length), user in segment.stretches.items()
            if segment.small == small and user is None and length >= size
        ]

    def grow(self, small: bool, size: int) -> bool:
        taken = 2 * MIB if small else 20 * MIB if size < 10 * MIB else ceil(size / (2 * MIB)) * 2 * MIB
        if self.capacity is not None and sum(s.size for s in self.segments) + taken > self.capacity:
            return False
        self.segments.append(Segment(small=small, size=taken, stretches={(0, taken): None}))
        return True

    def free(self, user: int) -> None:
        segment = next(s for s in self.segments if user in s.stretches.values())
        merged: list[tuple[int, int, int | None]] = []
        for (start, size), owner in sorted(segment.stretches.items()):
            owner = None if owner == user else owner
            if owner is None and merged and merged[-1][2] is None:
                start, size = merged[-1][0], merged.pop()[1] + size
            merged.append((start, size, owner))
        segment.stretches = {(start, size): owner for start, size, owner in merged}
