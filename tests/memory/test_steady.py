"""Repeating the last step."""

import pytest
from timeline_builder import MIB, build

from anatomy.errors import RehearsalError
from anatomy.memory.allocator import replay
from anatomy.memory.steady import repeat_last_step
from anatomy.memory.timeline import Block, Category, Phase, Timeline

LOAD, FORWARD, BACKWARD = Phase.LOAD, Phase.FORWARD, Phase.BACKWARD


def block(size: int, op: str = "", category: Category = Category.ACTIVATIONS) -> Block:
    return Block(bytes=size, category=category, op=op)


def spelled(timeline: Timeline) -> list[str]:
    return [
        f"{'+' if e.born else '-'}{e.block_id} {e.block.op} {e.phase.value} {e.step}"
        for e in timeline.events()
    ]


def test_blocks_of_a_repetition_are_new() -> None:
    once = build((LOAD, 0), ("w", block(8)), (FORWARD, 1), ("a", block(4)), (BACKWARD, 1), "a")
    more = repeat_last_step(once, 2)
    assert more.trace == (0, 1, ~1, 2, ~2, 3, ~3)
    assert [(m.at, m.phase, m.step) for m in more.marks[3:]] == [
        (3, FORWARD, 2),
        (4, BACKWARD, 2),
        (5, FORWARD, 3),
        (6, BACKWARD, 3),
    ]
    assert more.blocks == (block(8), block(4), block(4), block(4))
    assert repeat_last_step(once, 0) is once


def test_an_inherited_block_is_replaced_by_its_heir() -> None:
    """The batch of step 1 dies in step 2, whose own batch is alive at the end: step 3 frees that one."""
    first = [(FORWARD, 1), ("batch1", block(4, "load")), ("loss1", block(4, "loss"))]
    second = [(FORWARD, 2), ("batch2", block(4, "load")), "batch1", ("loss2", block(4, "loss")), "loss1"]
    more = repeat_last_step(build((LOAD, 0), *first, *second), 2)
    assert more.trace[2:] == (2, ~0, 3, ~1, 4, ~2, 5, ~3, 6, ~4, 7, ~5)
    assert {step for *_, step in (line.split() for line in spelled(more))} == {"1", "2", "3", "4"}


def test_a_first_step_can_pair_by_bytes_alone() -> None:
    """The state that step 2 replaces was made by another op in step 1."""
    first = [(FORWARD, 1), ("old", block(4, "zeros")), ("other", block(8, "zeros"))]
    second = [
        (FORWARD, 2),
        "other",
        ("b", block(8, "add")),
        ("new", block(4, "add", Category.OPTIMIZER)),
        "old",
    ]
    more = repeat_last_step(build((LOAD, 0), *first, *second), 1)
    assert more.trace[-4:] == (~2, 4, 5, ~3)


def test_the_oldest_of_equals_is_freed_first() -> None:
    first = [(FORWARD, 1), ("a1", block(4)), ("b1", block(4))]
    second = [(FORWARD, 2), "b1", "a1", ("a2", block(4)), ("b2", block(4))]
    more = repeat_last_step(build((LOAD, 0), *first, *second), 1)
    assert more.trace[-4:] == (~3, ~2, 4, 5)


@pytest.mark.parametrize(
    "script",
    [
        [(FORWARD, 1), ("a", block(512))],
        [(LOAD, 0), ("a", block(512)), (FORWARD, 1), "a"],
        [(FORWARD, 1), ("a", block(512)), (FORWARD, 2), ("b", block(1024)), "a"],
    ],
    ids=["grows", "shrinks", "changes"],
)
def test_a_step_that_is_not_steady_is_refused(script: list[object]) -> None:
    with pytest.raises(RehearsalError, match="cannot be repeated"):
        repeat_last_step(build((LOAD, 0), *script) if script[0] != (LOAD, 0) else build(*script), 1)


def test_loading_cannot_be_repeated() -> None:
    with pytest.raises(RehearsalError, match="no training step"):
        repeat_last_step(build(("w", block(512))), 1)
    with pytest.raises(ValueError, match="at least 0"):
        repeat_last_step(build(("w", block(512))), -1)


def test_fragmentation_can_grow_with_repetition() -> None:
    """The batch that lives on moves to the middle of the segment, and the work of the next step fits no more."""
    work, scratch, batch = block(13 * MIB), block(4 * MIB), block(2 * MIB)
    first = [(FORWARD, 1), ("batch1", batch)]
    second = [(FORWARD, 2), ("w", work), "w", ("s", scratch), ("batch2", batch), "s", "batch1"]
    timeline = build((LOAD, 0), *first, *second)
    once, again = replay(timeline), replay(timeline, repeat_last_step=3)
    assert once.peak_reserved_bytes == 20 * MIB
    assert [(mark.step, held) for mark, held in again.reserved_at_phase_end] == [
        (0, 0),
        (1, 20 * MIB),
        (2, 20 * MIB),
        (3, 34 * MIB),
        (4, 34 * MIB),
        (5, 34 * MIB),
    ]
    assert again.peak_requested_bytes == once.peak_requested_bytes
    assert again.peak_allocated_bytes == once.peak_allocated_bytes + MIB, (
        "its own segment of 14 MiB is not split"
    )
    assert again.allocated[-1] == once.allocated[-1], "a steady step ends as it began"
