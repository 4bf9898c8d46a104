"""expandable_segments:True, against the rules of c10/cuda/CUDACachingAllocator.cpp ("source")."""

import pytest
from timeline_builder import MIB, build

from anatomy.memory.allocator import Replay, replay
from anatomy.memory.expandable import ExpandableAllocator


def expandable(*script: object, capacity: int | None = None) -> Replay:
    return replay(build(*script), expandable_segments=True, capacity=capacity)


@pytest.mark.parametrize(
    ("requested", "allocated", "reserved"),
    [
        (1, 512, 2 * MIB),  # source, Note [Expandable Segments]: 2 MiB pages for the small pool ...
        (MIB + 1, MIB + 512, 20 * MIB),  # ... and 20 MiB pages for the large one
        (20 * MIB, 20 * MIB, 20 * MIB),
        (20 * MIB + 1, 20 * MIB + 512, 40 * MIB),
        (64 * MIB, 64 * MIB, 80 * MIB),
    ],
)
def test_one_block(requested: int, allocated: int, reserved: int) -> None:
    run = expandable(("a", requested))
    assert (run.peak_allocated_bytes, run.peak_reserved_bytes) == (allocated, reserved)


def test_blocks_tile_one_segment() -> None:
    """The note's N and N + 1: a larger batch grows the segment instead of needing one of its own."""
    script = [("a", 40 * MIB), "a", ("b", 41 * MIB)]
    assert expandable(*script).peak_reserved_bytes == 60 * MIB
    assert replay(build(*script)).peak_reserved_bytes == (40 + 42) * MIB


def test_large_blocks_are_split_to_512_bytes_as_well() -> None:
    """should_split: with expandable segments the rule of the small pool holds for both."""
    run = expandable(("a", 11 * MIB), ("b", 9 * MIB - 512), ("c", 512 + MIB))
    assert list(run.allocated) == [11 * MIB, 20 * MIB - 512, 21 * MIB]
    assert list(run.reserved) == [20 * MIB, 20 * MIB, 40 * MIB]


def test_a_block_grows_into_what_is_mapped_behind_it() -> None:
    """try_allocate_expandable_block: free memory before the hole is used first, only the rest is mapped."""
    run = expandable(("a", 30 * MIB), ("b", 10 * MIB), "b", ("c", 50 * MIB))
    assert run.reserved[-1] == 80 * MIB


def test_the_chunk_that_can_grow_is_kept_for_later() -> None:
    """get_free_block: what can be expanded counts as large as it can become, so a tighter hole is preferred."""
    holes = [("a", 10 * MIB), ("w", 2 * MIB), ("rest", 3 * MIB), "a"]  # holes: 10 MiB at 0, 5 MiB at the end
    run = expandable(*holes, ("b", 4 * MIB), ("c", 25 * MIB))
    assert run.reserved[-1] == 40 * MIB, "b went into the closed hole; c begins in the open one"


def test_whole_pages_are_unmapped_when_memory_runs_out() -> None:
    """unmap_block: of 5 to 40 MiB free, the page from 20 on goes back; the rest shares a page with a block."""
    small = [(f"s{i}", MIB) for i in range(3)]
    run = expandable(("a", 5 * MIB), ("b", 35 * MIB), "b", *small, capacity=42 * MIB)
    assert run.out_of_memory is None
    assert list(run.reserved) == [20 * MIB, 40 * MIB, 40 * MIB, 42 * MIB, 42 * MIB, 24 * MIB]
    assert run.retries == 1


def test_a_gap_is_mapped_again_before_the_end_grows() -> None:
    """find_expandable_block: the lowest address with room. 60 MiB do not fit into the gap, 20 MiB do."""
    allocator = ExpandableAllocator(capacity=120 * MIB)
    _, gap, _ = (allocator.malloc(size * MIB) for size in (20, 40, 20))
    assert gap is not None
    allocator.free(gap)
    for size, address, reserved in ((60, 80, 100), (20, 20, 120)):
        chunk = allocator.malloc(size * MIB)
        assert chunk is not None
        assert (chunk.address, allocator.reserved) == (address * MIB, reserved * MIB)
    assert allocator.retries == 1, "only the 60 MiB needed the gap's memory"
    assert allocator.malloc(1) is None, "120 MiB are mapped and in use"


def test_a_request_that_memory_cannot_be_mapped_for_takes_nothing() -> None:
    run = expandable(("a", 20 * MIB), ("b", 60 * MIB), capacity=60 * MIB)
    assert run.out_of_memory is not None
    assert run.out_of_memory.reserved_bytes == 20 * MIB
