"""The residual list: nothing against itself, exactly what was taken away, and bytes that add up on both sides."""

import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import (
    ACTIVATION,
    DOWN,
    GRADIENT,
    MIB,
    PASSING,
    WEIGHTS,
    failed_record,
    make_record,
    timeline,
)

from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline
from anatomy.validation.residuals import Residuals, between, residuals

PHASES = (Phase.FORWARD, Phase.LOSS, Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER)


@st.composite
def timelines(draw) -> Timeline:
    """Two steps of blocks that come and go, many of them alike."""
    blocks: list[Block] = []
    trace: list[int] = []
    marks = [Mark(at=0, phase=Phase.LOAD, step=0)]
    alive: list[int] = []
    for step in (1, 2):
        for phase in PHASES:
            marks.append(Mark(at=len(trace), phase=phase, step=step))
            for size in draw(st.lists(st.integers(0, 3000), max_size=5)):
                alive.append(len(blocks))
                trace.append(len(blocks))
                blocks.append(
                    Block(
                        bytes=size,
                        category=Category.TEMPORARIES,
                        module=draw(st.sampled_from(("a", "b"))),
                        op=draw(st.sampled_from(("aten.mm", "aten.add"))),
                    )
                )
            while alive and draw(st.booleans()):
                trace.append(~alive.pop(draw(st.integers(0, len(alive) - 1))))
    return Timeline(blocks=tuple(blocks), trace=tuple(trace), marks=tuple(marks))


def without(timeline: Timeline, gone: set[int]) -> Timeline:
    """The timeline without some of its blocks; their entries vanish, and marks move up."""
    kept = [index for index, entry in enumerate(timeline.trace) if max(entry, ~entry) not in gone]
    name = {
        block: number for number, block in enumerate(b for b in range(len(timeline.blocks)) if b not in gone)
    }
    trace = [timeline.trace[index] for index in kept]
    return replace(
        timeline,
        blocks=tuple(block for number, block in enumerate(timeline.blocks) if number not in gone),
        trace=tuple(name[entry] if entry >= 0 else ~name[~entry] for entry in trace),
        marks=tuple(replace(mark, at=sum(index < mark.at for index in kept)) for mark in timeline.marks),
    )


def both(predicted: Timeline, measured: Timeline, **options) -> Residuals:
    return between(
        predicted=predicted, measured=measured, **{"unit": "requested", "loss_apart": True, **options}
    )


@given(timelines(), st.sampled_from(("requested", "allocator")), st.booleans())
def test_a_timeline_against_itself_leaves_nothing(run, unit, loss_apart):
    found = both(run, run, unit=unit, loss_apart=loss_apart)
    assert found.unforeseen == found.absent == ()
    assert found.measured_bytes == found.predicted_bytes
    assert found.explained == (1.0 if found.measured_bytes else None)


@given(timelines(), st.data())
def test_what_was_taken_away_is_what_is_left(run, data):
    ids = range(len(run.blocks))
    gone = data.draw(st.sets(st.sampled_from(ids), max_size=6)) if ids else set()
    expected: Counter[tuple[str, Phase]] = Counter()
    sizes: Counter[tuple[str, Phase]] = Counter()
    for event in run.events():
        if event.born and event.block_id in gone and event.block.bytes:
            expected[event.block.op, event.phase] += 1
            sizes[event.block.op, event.phase] += event.block.bytes
    less = without(run, gone)
    for found, rows in (
        (both(less, run), "unforeseen"),
        (both(run, less), "absent"),
    ):
        left = getattr(found, rows)
        assert {(row.op, row.phase): row.blocks for row in left} == expected
        assert {(row.op, row.phase): row.bytes for row in left} == sizes
        assert (found.absent if rows == "unforeseen" else found.unforeseen) == ()


@given(timelines(), timelines(), st.sampled_from(("requested", "allocator")))
def test_bytes_add_up_on_both_sides(mine, real, unit):
    """What is matched has the same bytes on both sides: here no block is large enough for a rest in it."""
    found = both(mine, real, unit=unit)
    assert found.measured_bytes - found.unforeseen_bytes == found.predicted_bytes - found.absent_bytes
    assert 0 <= found.unforeseen_bytes <= found.measured_bytes
    for rows in (found.unforeseen, found.absent):
        assert [row.bytes for row in rows] == sorted((row.bytes for row in rows), reverse=True)
        for row in rows:
            assert row.largest_bytes <= row.bytes >= max(row.kept_bytes, row.peak_bytes)


def test_of_a_record():
    found = residuals(make_record())
    (scratch,) = found.unforeseen
    assert (scratch.op, scratch.phase, scratch.blocks, scratch.bytes) == (
        "aten.convolution_backward",
        Phase.BACKWARD,
        2,
        8 * MIB,
    )
    assert (scratch.module, scratch.largest_bytes) == (DOWN, 4 * MIB)
    # Freed before backward ends; of the two, the second is alive at the measured peak.
    assert (scratch.kept_bytes, scratch.peak_bytes) == (0, 4 * MIB)
    (passing,) = found.absent
    assert (passing.op, passing.bytes, passing.peak_bytes) == ("aten.mul", 20 * MIB, 0)
    # 100 of weights, 40 of states (made by another operator), in each step 40 + 20, and the scratch.
    assert found.measured_bytes == (100 + 40 + 2 * 60 + 8) * MIB
    assert found.explained == pytest.approx(260 / 268)


def test_no_profiler_no_list():
    assert residuals(make_record(observed=Timeline(blocks=(), trace=(), marks=()))) is None


def test_what_outlives_its_phase_is_kept():
    start = ((Phase.LOAD, 0), WEIGHTS, (Phase.FORWARD, 1), ACTIVATION)
    end = ((Phase.BACKWARD, 1), GRADIENT)
    run = timeline([*start, PASSING, "free temporaries", *end])
    found = both(timeline([(Phase.LOAD, 0), (Phase.FORWARD, 1), (Phase.BACKWARD, 1)]), run)
    kept = {(row.op, row.phase): row.kept_bytes // MIB for row in found.unforeseen}
    assert kept == {
        ("load", Phase.LOAD): 100,
        ("aten.mm", Phase.FORWARD): 40,
        ("aten.mul", Phase.FORWARD): 0,
        ("aten.mm", Phase.BACKWARD): 20,
    }
    assert found.explained == 0


def test_a_block_of_another_phase_is_no_match():
    early = timeline([(Phase.LOAD, 0), (Phase.FORWARD, 1), GRADIENT, (Phase.BACKWARD, 1)])
    late = timeline([(Phase.LOAD, 0), (Phase.FORWARD, 1), (Phase.BACKWARD, 1), GRADIENT])
    found = both(early, late)
    assert (found.unforeseen[0].phase, found.absent[0].phase) == (Phase.BACKWARD, Phase.FORWARD)


def test_likest_blocks_are_matched_first():
    """Bytes alone would take whichever comes first; the operator decides."""
    alike = [replace(PASSING, op=op) for op in ("aten.mul", "aten.add", "aten.sub")]
    run = [(Phase.LOAD, 0), (Phase.FORWARD, 1)]
    found = both(timeline([*run, alike[0], alike[1]]), timeline([*run, alike[2], alike[1], alike[0]]))
    assert [row.op for row in found.unforeseen] == ["aten.sub"]


def test_the_allocator_leaves_up_to_a_megabyte_in_a_block():
    def run(*sizes: int) -> Timeline:
        blocks = (replace(PASSING, bytes=size) for size in sizes)
        return timeline([(Phase.LOAD, 0), (Phase.FORWARD, 1), *blocks])

    asked, got = 5 * MIB - 100, 5 * MIB + 512 * 1024
    assert both(run(asked), run(got), unit="allocator").unforeseen == ()
    assert both(run(asked), run(got), unit="allocator").explained == 1
    assert both(run(asked), run(got)).unforeseen_bytes == got
    # Neither more than that, nor in the small pool, nor a block that is smaller than what was asked for.
    assert both(run(asked), run(got + MIB), unit="allocator").unforeseen_bytes == got + MIB
    assert both(run(MIB - 4096), run(MIB), unit="allocator").unforeseen_bytes == MIB
    assert both(run(got), run(asked), unit="allocator").absent_bytes == got
    # As many as possible are paired, each with one.
    found = both(run(5 * MIB, 6 * MIB), run(6 * MIB + 512, 5 * MIB + 512, 6 * MIB + 1024), unit="allocator")
    assert [row.blocks for row in found.unforeseen] == [1]


def test_fewer_micro_batches_rehearsed_than_ran():
    def run(count: int) -> Timeline:
        micro = [(Phase.FORWARD, 1), ACTIVATION, (Phase.BACKWARD, 1), GRADIENT, "free activations"]
        return timeline([(Phase.LOAD, 0), WEIGHTS, *micro * count, (Phase.OPTIMIZER, 1)])

    found = both(run(2), run(5))
    assert found.unforeseen == found.absent == ()
    assert found.notes == (
        "further micro-batches of a step are taken to be like the last one that was rehearsed",
    )
    assert both(run(3), run(2)).absent_bytes == 60 * MIB


def test_steps_of_one_side_alone_are_left_out_and_said():
    one = timeline([(Phase.LOAD, 0), WEIGHTS, (Phase.FORWARD, 1), ACTIVATION])
    two = timeline([(Phase.LOAD, 0), WEIGHTS, (Phase.FORWARD, 1), ACTIVATION, (Phase.FORWARD, 2), PASSING])
    found = both(one, two)
    assert found.unforeseen == ()
    assert found.notes == ("steps that were only measured are left out: 2",)


def test_fifty_thousand_blocks_take_no_time():
    many = 50_000
    blocks = tuple(
        Block(bytes=512 * (n % 1000), category=Category.TEMPORARIES, module=f"m{n % 300}", op=f"o{n % 40}")
        for n in range(many)
    )
    real = Timeline(
        blocks=blocks,
        trace=tuple(range(many)),
        marks=(Mark(at=0, phase=Phase.LOAD, step=0), Mark(at=9, phase=Phase.FORWARD, step=1)),
    )
    mine = replace(real, blocks=tuple(replace(block, op=f"x{n % 7}") for n, block in enumerate(blocks)))
    start = time.process_time()
    found = both(mine, real, unit="allocator")
    assert time.process_time() - start < 5
    assert found.unforeseen == ()


def test_of_a_failed_run_only_finished_phases_count():
    found = residuals(failed_record())
    assert found.unforeseen == found.notes == ()
    # Nothing of backward, where it ended, nor of what was to follow.
    assert [(row.op, row.phase) for row in found.absent] == [("aten.mul", Phase.FORWARD)]
    assert found.measured_bytes == 140 * MIB


def test_a_leak_is_a_block_that_lived_otherwise():
    """One free that never comes: the block happened as foreseen, and stayed."""
    block = Block(bytes=4096, category=Category.TEMPORARIES, module="a", op="aten.mm")
    marks = (
        Mark(at=0, phase=Phase.LOAD, step=0),
        Mark(at=0, phase=Phase.FORWARD, step=1),
        Mark(at=2, phase=Phase.BACKWARD, step=1),
    )
    clean = Timeline(blocks=(block,), trace=(0, ~0), marks=marks)
    leaking = Timeline(blocks=(block,), trace=(0,), marks=(*marks[:2], replace(marks[2], at=1)))
    found = both(clean, leaking)
    assert (found.unforeseen, found.absent) == ((), ())
    (row,) = found.lived_otherwise
    assert (row.op, row.phase, row.blocks, row.bytes, row.kept_bytes) == (
        "aten.mm",
        Phase.FORWARD,
        1,
        4096,
        4096,
    )
    assert both(leaking, clean).lived_otherwise[0].kept_bytes == 0
    assert both(clean, clean).lived_otherwise == ()
