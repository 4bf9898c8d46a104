"""A run and another's optimizer, put together."""

import pytest

from anatomy.memory.splice import InseparableError, leave_out, splice
from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline

LOAD, FORWARD, CLIP, STEP, ZERO = Phase.LOAD, Phase.FORWARD, Phase.CLIP, Phase.OPTIMIZER, Phase.ZERO_GRAD


def record(*phases: tuple[Phase, int, tuple[int, ...]]) -> Timeline:
    """A timeline of phases with their entries; block `i` has 100 + i bytes."""
    trace: list[int] = []
    marks = []
    for phase, step, entries in phases:
        marks.append(Mark(at=len(trace), phase=phase, step=step))
        trace += entries
    count = max((entry for entry in trace), default=-1) + 1
    blocks = tuple(Block(bytes=100 + i, category=Category.TEMPORARIES, op=f"b{i}") for i in range(count))
    return Timeline(blocks=blocks, trace=tuple(trace), marks=tuple(marks))


def names(timeline: Timeline) -> list[str]:
    """'+b0' for a birth, '-b0' for an end."""
    return [
        ("+" if entry >= 0 else "-") + timeline.blocks[entry if entry >= 0 else ~entry].op
        for entry in timeline.trace
    ]


RUN = record(
    (LOAD, 0, (0, 1)),
    (FORWARD, 1, (2,)),
    (CLIP, 1, (3,)),
    (STEP, 1, (4, ~4, ~3)),
    (ZERO, 1, (~2,)),
)
"""Its own optimizer takes b3 and b4, and gives both back."""
OPTIMIZER = record((LOAD, 0, (0,)), (CLIP, 1, (1, ~1)), (STEP, 1, (2, 3, ~2)), (ZERO, 1, ()))
"""It has b0 from the beginning, and b3 to the end."""


def test_the_optimizer_takes_the_place_of_the_other_one():
    whole = splice(RUN, 1, OPTIMIZER)
    assert names(whole) == ["+b0", "+b0", "+b1", "+b2", "+b1", "-b1", "+b2", "+b3", "-b2", "-b2"]
    assert [(mark.phase, mark.at) for mark in whole.marks] == [
        *((LOAD, 0), (FORWARD, 3), (CLIP, 4), (STEP, 6), (ZERO, 9)),
    ]


def test_blocks_are_numbered_as_they_are_born():
    births = [entry for entry in splice(RUN, 2, OPTIMIZER).trace if entry >= 0]
    assert births == list(range(len(births)))


def test_a_run_that_loses_a_block_in_the_optimizers_turn_is_inseparable():
    run = record((LOAD, 0, (0,)), (FORWARD, 1, (1,)), (CLIP, 1, ()), (STEP, 1, (~1,)), (ZERO, 1, ()))
    with pytest.raises(InseparableError, match="blocks of the run end"):
        splice(run, 1, OPTIMIZER)


def test_an_optimizer_whose_blocks_end_later_is_inseparable():
    late = record((LOAD, 0, ()), (CLIP, 1, ()), (STEP, 1, (0,)), (ZERO, 1, (~0,)))
    with pytest.raises(InseparableError, match="outlive"):
        splice(RUN, 1, late)


def test_a_run_that_frees_what_its_own_optimizer_made_is_inseparable():
    run = record((LOAD, 0, (0,)), (FORWARD, 1, ()), (CLIP, 1, ()), (STEP, 1, (1,)), (ZERO, 1, (~1,)))
    with pytest.raises(InseparableError, match="frees what its optimizer made"):
        splice(run, 1, OPTIMIZER)


def test_what_was_given_is_left_out_of_an_optimizers_record():
    seen = record((LOAD, 0, (0, 1)), (CLIP, 1, ()), (STEP, 1, (2, ~2)), (ZERO, 1, (~1,)))
    alone = leave_out(seen, {0, 1})
    assert names(alone) == ["+b2", "-b2"]
    assert [mark.at for mark in alone.marks] == [0, 0, 0, 2]


def test_an_optimizer_that_ends_what_was_given_is_inseparable():
    seen = record((LOAD, 0, (0,)), (CLIP, 1, ()), (STEP, 1, (~0,)), (ZERO, 1, ()))
    with pytest.raises(InseparableError, match="replaces"):
        leave_out(seen, {0})
