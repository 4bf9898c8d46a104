"""Where blocks lie and when segments come and go, against the levels of the replay and the allocator's own lists."""

from bisect import bisect_left
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_allocator_properties import MIB, MODES, run_through, timelines
from timeline_builder import build

from anatomy.memory.allocator import Replay, replay
from anatomy.memory.caching import CachingAllocator
from anatomy.memory.expandable import ExpandableAllocator
from anatomy.memory.segments import segments

CAPACITIES = st.none() | st.integers(0, 192 * MIB)


@MODES
@given(timeline=timelines(), capacity=CAPACITIES)
def test_device_calls_add_up_to_what_is_reserved(expandable, timeline, capacity):
    run = replay(timeline, capacity=capacity, expandable_segments=expandable)
    held = [0, *accumulate(call.bytes for call in run.device_calls)]
    at = [call.at for call in run.device_calls]
    for index, level in enumerate(run.reserved):
        assert held[bisect_left(at, index + 1)] == level
    if run.out_of_memory is not None:
        assert held[-1] == run.out_of_memory.reserved_bytes
        assert at[-1:] <= [run.out_of_memory.index]


@MODES
@given(timeline=timelines(), capacity=CAPACITIES, data=st.data())
def test_segments_add_up_at_every_entry(expandable, timeline, capacity, data):
    run = replay(timeline, capacity=capacity, expandable_segments=expandable)
    entries = data.draw(st.integers(0, len(run.allocated)))
    found = segments(run, entries)
    assert sum(s.bytes for s in found) == (0, *run.reserved)[entries]
    assert sum(s.allocated_bytes for s in found) == (0, *run.allocated)[entries]
    assert_tiled(found)


@MODES
@given(timeline=timelines())
def test_gaps_are_the_free_chunks_of_the_allocator(expandable, timeline):
    """Torch lists a segment's blocks from its linked list; here the gaps follow from the blocks in use."""
    run = replay(timeline, expandable_segments=expandable)
    allocator, alive = run_through(timeline, ExpandableAllocator() if expandable else CachingAllocator())
    free = [(c.address, c.size) for pool in (allocator.small, allocator.large) for _, _, c in pool.chunks]
    stretches = [stretch for segment in segments(run) for stretch in segment.stretches]
    assert sorted(free) == [(s.address, s.bytes) for s in stretches if s.block_id is None]
    in_use = sorted((chunk.address, chunk.size) for chunk in alive)
    assert in_use == [(s.address, s.bytes) for s in stretches if s.block_id is not None]


def test_segments_come_and_go():
    """A card of 40 MiB: 30 MiB are given back before 31 MiB can be had."""
    run = replay(build(("a", 30 * MIB), "a", ("b", MIB), ("c", 31 * MIB)), capacity=40 * MIB)
    calls = [(call.at, call.large, call.bytes) for call in run.device_calls]
    assert calls == [(0, True, 30 * MIB), (2, False, 2 * MIB), (3, True, -30 * MIB), (3, True, 32 * MIB)]
    assert [(s.bytes, s.large, s.allocated_bytes) for s in segments(run, 3)] == [
        (30 * MIB, True, 0),
        (2 * MIB, False, MIB),
    ]
    assert [s.bytes for s in segments(run)] == [2 * MIB, 32 * MIB]


def test_expandable_segments_are_one_range_for_each_pool_until_a_hole_is_unmapped():
    script = (("a", 20 * MIB), ("b", 20 * MIB), ("c", 20 * MIB), ("s", MIB))
    whole = replay(build(*script), expandable_segments=True, capacity=64 * MIB)
    assert [(s.bytes, s.large) for s in segments(whole)] == [(60 * MIB, True), (2 * MIB, False)]
    holed = replay(build(*script, "b", ("d", 21 * MIB)), expandable_segments=True, capacity=64 * MIB)
    assert holed.out_of_memory is not None
    assert [(s.bytes, s.large) for s in segments(holed)] == [
        *((20 * MIB, True), (20 * MIB, True)),
        (2 * MIB, False),
    ]


def test_a_block_of_no_bytes_lies_nowhere():
    run: Replay = replay(build(("a", 0), ("b", 512)))
    (segment,) = segments(run)
    assert [stretch.block_id for stretch in segment.stretches] == [1, None]


@pytest.mark.parametrize("entries", [0, 1])
def test_nothing_is_held_before_the_first_block(entries):
    assert [s.bytes for s in segments(replay(build(("a", 512))), entries)] == [2 * MIB] * entries


def assert_tiled(found):
    for before, after in pairwise(found):
        assert before.address + before.bytes <= after.address
    for segment in found:
        ends = [segment.address, *(s.address + s.bytes for s in segment.stretches)]
        assert [s.address for s in segment.stretches] == ends[:-1]
        assert ends[-1] == segment.address + segment.bytes
        for before, after in pairwise(segment.stretches):
            assert before.block_id is not None or after.block_id is not None, "two gaps side by side"
