"""The replay against rules and facts of torch's own sources and tests.

"source" is pytorch's c10/cuda/CUDACachingAllocator.cpp, "test_cuda" its test/test_cuda.py.
"""

import pytest
from timeline_builder import MIB, build

from anatomy.errors import RehearsalError
from anatomy.memory.allocator import replay
from anatomy.memory.caching import CachingAllocator, Chunk
from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline


@pytest.mark.parametrize(
    ("requested", "allocated", "reserved"),
    [
        (1, 512, 2 * MIB),  # round_size: kMinBlockSize; get_allocation_size: kSmallBuffer
        (512, 512, 2 * MIB),
        (513, 1024, 2 * MIB),
        (MIB, MIB, 2 * MIB),  # kSmallSize is still small
        (MIB + 1, MIB + 512, 20 * MIB),  # kLargeBuffer
        (8_519_680, 8_519_680, 20 * MIB),  # a cuBLAS workspace, :4096:2:16:8
        (10 * MIB - 512, 10 * MIB - 512, 20 * MIB),
        (10 * MIB - 1, 10 * MIB, 10 * MIB),  # rounded up to kMinLargeAlloc before it is compared
        (10 * MIB, 10 * MIB, 10 * MIB),  # kRoundLarge from here on
        (10 * MIB + 1, 10 * MIB + 512, 12 * MIB),  # should_split: more than kSmallSize is left
        (11 * MIB - 512, 11 * MIB - 512, 12 * MIB),  # 1 MiB + 512 is left: split
        (11 * MIB, 12 * MIB, 12 * MIB),  # exactly kSmallSize is left: not split, the block counts whole
        (64 * MIB, 64 * MIB, 64 * MIB),
    ],
)
def test_one_block(requested: int, allocated: int, reserved: int) -> None:
    run = replay(build(("a", requested)))
    assert (run.peak_allocated_bytes, run.peak_reserved_bytes) == (allocated, reserved)
    assert run.peak_requested_bytes == requested


def test_a_published_snapshot() -> None:
    """y = X @ W + b on a real GPU: discuss.pytorch.org, topic 178671, the segments and blocks as printed there."""
    tensors = [("W", 40_000), ("b", 40), ("X", 4_000), ("cublas", 8_519_680), ("X @ W", 40), ("y", 40)]
    allocator = CachingAllocator()
    first, *others = (allocator.malloc(size) for _, size in tensors)
    freed = others[3]
    assert first is not None
    assert freed is not None
    allocator.free(freed)
    small: list[tuple[int, bool]] = []
    chunk: Chunk | None = first
    while chunk is not None:
        small.append((chunk.size, chunk.in_use))
        chunk = chunk.next
    assert small == [(40448, True), (512, True), (4096, True), (512, False), (512, True), (2051072, False)]
    assert [size for size, *_ in allocator.large.chunks] == [12451840], "of 20971520, beside the 8519680"
    assert allocator.allocated == 45568 + 8519680
    assert allocator.reserved == 2097152 + 20971520


def test_three_blocks_of_1_mib_take_two_small_segments() -> None:
    """test_cuda, test_mempool_with_allocator: one segment after the first and the second, two after the third."""
    run = replay(build(("a", MIB), ("b", MIB), ("c", MIB)))
    assert list(run.reserved) == [2 * MIB, 2 * MIB, 4 * MIB]


def test_a_small_request_never_takes_from_the_large_pool() -> None:
    run = replay(build(("a", 30 * MIB), "a", ("b", MIB)))
    assert run.reserved[-1] == 32 * MIB


def test_a_large_request_splits_a_cached_block_of_any_size() -> None:
    """No max_split_size by default: 1.5 MiB out of a cached 1 GiB, and the rest stays usable."""
    run = replay(build(("a", 1024 * MIB), "a", ("b", 3 * MIB // 2), ("c", 1000 * MIB)))
    assert run.peak_reserved_bytes == 1024 * MIB
    assert run.allocated[-1] == 1000 * MIB + 3 * MIB // 2


def test_best_fit_takes_the_smallest_that_is_large_enough() -> None:
    run = replay(build(("a", 40 * MIB), ("b", 20 * MIB), "a", "b", ("c", 19 * MIB), ("d", 40 * MIB)))
    assert run.peak_reserved_bytes == 60 * MIB
    assert run.block_bytes[2] == 20 * MIB, "1 MiB is left over, which is not split off"


def test_among_equals_the_lowest_address_is_taken() -> None:
    """BlockComparatorSize: by size, then by address. Only the lower of two equal holes has a free neighbour."""
    hole, wall = 4 * MIB, 2 * MIB
    script = [("low", hole), ("w1", wall), ("high", hole), ("w2", wall), ("rest", 8 * MIB)]
    run = replay(build(*script, "high", "low", ("a", hole), "w2", ("b", 6 * MIB)))
    assert run.peak_reserved_bytes == 20 * MIB, "the higher hole was left, and merges with w2"


def test_neighbours_merge_on_both_sides() -> None:
    parts = [(name, 5 * MIB) for name in "abcd"]
    run = replay(build(*parts, "a", "c", "b", ("e", 15 * MIB)))
    assert run.peak_reserved_bytes == 20 * MIB


def test_segments_do_not_merge() -> None:
    run = replay(build(("a", 20 * MIB), ("b", 20 * MIB), "a", "b", ("c", 40 * MIB)))
    assert run.peak_reserved_bytes == 80 * MIB


def test_cached_segments_are_given_back_before_it_is_out_of_memory() -> None:
    """test_cuda, test_out_of_memory_retry: a freed half of the device serves a larger request after a retry."""
    run = replay(build(("a", 50 * MIB), "a", ("b", 60 * MIB)), capacity=100 * MIB)
    assert run.out_of_memory is None
    assert run.retries == 1
    assert list(run.reserved) == [50 * MIB, 50 * MIB, 60 * MIB]


def test_a_segment_with_a_block_in_use_cannot_be_given_back() -> None:
    """Fragmentation: 80 of 100 MiB are free, in two halves, and 60 cannot be had."""
    keep = Block(bytes=10 * MIB, category=Category.ACTIVATIONS)
    late = Block(bytes=60 * MIB - 1, category=Category.LOGITS, module="lm_head", op="aten.mm")
    script = [("a", 100 * MIB), "a", ("keep", keep), (Phase.FORWARD, 1), ("late", late)]
    run = replay(build(*script), capacity=128 * MIB)
    assert run.out_of_memory is None, "90 MiB are left in the segment"
    script[3:3] = [("wall", 40 * MIB), ("keep2", 10 * MIB), "wall"]
    run = replay(build(*script), capacity=128 * MIB)
    failed = run.out_of_memory
    assert failed is not None
    assert (failed.phase, failed.step, failed.module, failed.op) == (Phase.FORWARD, 1, "lm_head", "aten.mm")
    assert (failed.index, len(run.allocated)) == (6, 6)
    assert (failed.allocated_bytes, failed.reserved_bytes) == (20 * MIB, 100 * MIB)
    assert failed.requested_bytes == 60 * MIB - 1
    assert failed.segment_bytes == 60 * MIB


@pytest.mark.parametrize(
    ("requested", "tried"), [(1, 2 * MIB), (5 * MIB, 20 * MIB), (30 * MIB + 1, 32 * MIB)]
)
def test_out_of_memory_names_what_the_device_was_asked_for(requested: int, tried: int) -> None:
    """source, malloc: 'Tried to allocate' is alloc_size; hence the '20.00 MiB' of so many reports."""
    failed = replay(build(("a", requested)), capacity=MIB).out_of_memory
    assert failed is not None
    assert failed.segment_bytes == tried


def test_capacity_is_exact() -> None:
    """test_cuda, test_set_per_process_memory_fraction: what is allowed fits, more does not."""
    timeline = build(("a", 60 * MIB), ("b", 40 * MIB))
    assert replay(timeline, capacity=100 * MIB).out_of_memory is None
    assert replay(timeline, capacity=100 * MIB - 1).out_of_memory is not None


def test_an_emptied_cache_starts_over() -> None:
    phases = [(Phase.FORWARD, 1), ("a", 50 * MIB), "a", (Phase.FORWARD, 2), ("b", 60 * MIB)]
    assert replay(build((Phase.LOAD, 0), *phases)).reserved[-1] == 110 * MIB
    run = replay(build((Phase.LOAD, 0), *phases), empty_cache_before_step=2)
    assert list(run.reserved) == [50 * MIB, 50 * MIB, 60 * MIB]
    assert run.retries == 0
    assert [(mark.step, held) for mark, held in run.reserved_at_phase_end] == [
        (0, 0),
        (1, 50 * MIB),
        (2, 60 * MIB),
    ]


def test_nothing_is_taken_for_an_empty_tensor() -> None:
    """source, NativeCachingAllocator::allocate: no malloc for 0 bytes."""
    run = replay(build(("a", 0), "a"))
    assert run.peak_reserved_bytes == 0


def test_peaks_are_where_they_were_reached_first() -> None:
    run = replay(build(("a", 30 * MIB), "a", ("b", 30 * MIB), ("c", 512)))
    assert run.peak_allocated_index == 3
    assert run.peak_reserved_index == 3
    nothing = replay(build(("a", 1)), capacity=0)
    assert (nothing.peak_allocated_bytes, nothing.peak_allocated_index) == (0, None)


BLOCK = Block(bytes=512, category=Category.TEMPORARIES)
START = Mark(at=0, phase=Phase.LOAD, step=0)


@pytest.mark.parametrize(
    ("trace", "marks", "says"),
    [
        ((0, 0), (START,), "makes block 0 at entry 1"),
        ((0, ~0, ~0), (START,), "frees block 0 at entry 2"),
        ((0, ~0, 0), (START,), "makes block 0 at entry 2"),
        ((~0,), (START,), "frees block 0 at entry 0"),
        ((1,), (START,), "makes block 1 at entry 0"),
        ((0,), (), "does not begin with a phase"),
        ((0,), (Mark(at=1, phase=Phase.LOAD, step=0),), "does not begin with a phase"),
        ((0,), (START, Mark(at=2, phase=Phase.FORWARD, step=1)), "out of order"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    trace: tuple[int, ...], marks: tuple[Mark, ...], says: str
) -> None:
    with pytest.raises(RehearsalError, match=says):
        replay(Timeline(blocks=(BLOCK,), trace=trace, marks=marks))


def test_a_step_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RehearsalError, match="there is no such step"):
        replay(build(("a", 1)), empty_cache_before_step=5)
    with pytest.raises(RehearsalError, match="less than 0 bytes"):
        replay(build(("a", -1)))
