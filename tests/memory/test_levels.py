"""A run cut into columns, and what is alive in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_timelines import timelines, tiny_plan
from timeline_builder import MIB, build

from anatomy.memory import alive as alive_module
from anatomy.memory.alive import AliveCursor, alive_at
from anatomy.memory.allocator import Replay, replay, spans
from anatomy.memory.footprint import footprint
from anatomy.memory.levels import CATEGORIES, STRIDE, first_over, levels, resting, sampled
from anatomy.memory.timeline import Block, Category, Phase, Timeline

W, A, G, T = Category.WEIGHTS, Category.ACTIVATIONS, Category.GRADIENTS, Category.TEMPORARIES


def of(size: int, category: Category, component: str = "", module: str = "") -> Block:
    return Block(bytes=size, category=category, component=component, module=module)


STEP = build(
    (Phase.LOAD, 0),
    ("w", of(40 * MIB, W, "ffn", "layers.0")),
    ("v", of(513, W, "ffn", "layers.1")),
    (Phase.FORWARD, 1),
    ("a", of(30 * MIB, A, "ffn", "layers.0")),
    *(entry for n in range(600) for entry in ((f"t{n}", of(MIB, T)), f"t{n}")),
    (Phase.LOSS, 1),
    (Phase.BACKWARD, 1),
    ("g", of(20 * MIB, G, "ffn", "layers.0")),
    "a",
    (Phase.OPTIMIZER, 1),
    ("o", of(24 * MIB, T)),
    "o",
    (Phase.ZERO_GRAD, 1),
    "g",
)


def test_a_stack_says_what_is_held() -> None:
    run = replay(STEP)
    after = dict(zip(CATEGORIES, levels(run).stack(len(STEP.trace) - 3), strict=True))
    assert {category: size for category, size in after.items() if size} == {
        W: 40 * MIB + 1024,
        G: 20 * MIB,
        T: 24 * MIB,
    }


@given(timelines(), st.none() | st.integers(0, 64 * MIB))
def test_every_stack_adds_up(timeline: Timeline, capacity: int | None) -> None:
    run = replay(timeline, capacity=capacity)
    found = levels(run)
    assert [sum(found.stack(i)) for i in range(found.entries)] == list(run.allocated)
    with pytest.raises(IndexError):
        found.stack(found.entries)


def test_stacks_add_up_far_from_those_that_are_kept() -> None:
    run = replay(STEP)
    assert len(run.allocated) > 4 * STRIDE
    found = levels(run)
    assert [sum(found.stack(i)) for i in range(found.entries)] == list(run.allocated)


@given(timelines(least=1), st.integers(1, 80), st.data())
def test_columns_cover_the_range_and_keep_its_highest(
    timeline: Timeline, width: int, data: st.DataObject
) -> None:
    run = replay(timeline)
    start = data.draw(st.integers(0, len(run.allocated) - 1))
    stop = data.draw(st.integers(start + 1, len(run.allocated)))
    shown = sampled(levels(run), width, start, stop)
    assert len(shown.columns) == width
    assert {i for c in shown.columns for i in range(c.start, c.stop)} == set(range(start, stop))
    assert max(c.allocated_bytes for c in shown.columns) == max(run.allocated[start:stop])
    for column in shown.columns:
        inside = range(column.start, column.stop)
        assert column.index == max(inside, key=run.allocated.__getitem__)
        assert sum(column.stack) == column.allocated_bytes == run.allocated[column.index]
        assert column.reserved_bytes == max(run.reserved[i] for i in inside)
    for index in range(start, stop):
        at = [n for n, c in enumerate(shown.columns) if c.start <= index < c.stop]
        assert list(shown.columns_of(index)) == at != []
    assert not shown.columns_of(stop)
    assert not shown.columns_of(start - 1)


@given(timelines(least=1), st.integers(1, 80))
def test_each_phase_has_columns_of_its_own_where_there_are_enough(timeline: Timeline, width: int) -> None:
    run = replay(timeline)
    shown = sampled(levels(run), width)
    assert [(s.mark, s.start, s.stop) for s in shown.spans] == [
        span for span in spans(run) if span[1] < span[2]
    ]
    assert [s.first for s in shown.spans[1:]] == [s.last for s in shown.spans[:-1]]
    assert (shown.spans[0].first, shown.spans[-1].last) == (0, width)
    if width >= len(shown.spans):
        for span in shown.spans:
            assert span.first < span.last
            assert all(
                span.start <= c.start < c.stop <= span.stop for c in shown.columns[span.first : span.last]
            )


def test_a_short_phase_beside_a_long_one_is_seen() -> None:
    """Optimizer step: 2 entries of 1208; by length alone it would have no column of 60."""
    shown = sampled(levels(replay(STEP)), 60)
    widths = {span.mark.phase: span.last - span.first for span in shown.spans}
    assert widths == {
        Phase.LOAD: 2,
        Phase.FORWARD: 53,
        Phase.BACKWARD: 2,
        Phase.OPTIMIZER: 2,
        Phase.ZERO_GRAD: 1,
    }


def test_few_entries_are_as_wide_as_the_picture() -> None:
    shown = sampled(levels(replay(STEP)), 10, 0, 4)
    assert [c.index for c in shown.columns] == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
    assert shown.columns_of(2) == range(5, 8)


@pytest.mark.parametrize(("columns", "start", "stop"), [(0, 0, 5), (5, 3, 3), (5, -1, 3), (5, 0, 10**6)])
def test_what_cannot_be_cut_is_refused(columns: int, start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        sampled(levels(replay(STEP)), columns, start, stop)


def test_resting_levels_agree_with_the_footprint() -> None:
    for run in (replay(STEP), replay(STEP, repeat_last_step=2)):
        last = {rest.mark.phase: rest.allocated_bytes for rest in resting(run)}
        assert last == {p: level for p, level in footprint(run.timeline, run).resting.items() if p in last}
        assert Phase.LOSS not in last


def test_memory_that_ran_out_ends_the_picture() -> None:
    run = replay(STEP, capacity=80 * MIB)
    assert run.out_of_memory is not None
    found = levels(run)
    assert found.entries == run.out_of_memory.index
    assert sampled(found, 40).stop == run.out_of_memory.index
    assert [rest.mark.phase for rest in resting(run)][-1] is Phase.FORWARD


def test_the_first_entry_over_a_capacity() -> None:
    run = replay(STEP)
    assert first_over(run, 70 * MIB + 1024) == 3
    assert first_over(run, run.peak_allocated_bytes) is None
    assert first_over(run, 0) == 0


@given(timelines(least=1), st.lists(st.integers(0, 59), max_size=12), st.integers(1, 7))
def test_alive_adds_up_wherever_the_cursor_comes_from(
    timeline: Timeline, jumps: list[int], stride: int
) -> None:
    run = replay(timeline)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alive_module, "STRIDE", stride)
        cursor = AliveCursor(run)
        for index in (jump % len(run.allocated) for jump in jumps):
            groups = cursor.at(index).groups()
            assert groups == by_hand(run, index)
            assert sum(group.bytes for group in groups) == run.allocated[index]


def by_hand(run: Replay, index: int) -> tuple[alive_module.Owned, ...]:
    """The same without any shortcut."""
    held: set[int] = set()
    for entry in run.timeline.trace[: index + 1]:
        held ^= {entry if entry >= 0 else ~entry}
    groups: dict[alive_module.Owner, list[int]] = {}
    for block in held:
        b = run.timeline.blocks[block]
        groups.setdefault((b.category, b.component, b.module), []).append(run.block_bytes[block])
    found = [
        alive_module.Owned(category=c, component=p, module=m, bytes=sum(sizes), blocks=len(sizes))
        for (c, p, m), sizes in groups.items()
    ]
    return tuple(sorted(found, key=lambda o: (-o.bytes, o.category, o.component, o.module)))


def test_what_is_alive_unfolds() -> None:
    alive = AliveCursor(replay(STEP)).at(1203)
    assert [(o.category, o.bytes, o.blocks) for o in alive.split()] == [
        (W, 40 * MIB + 1024, 2),
        (A, 30 * MIB, 1),
        (G, 20 * MIB, 1),
    ]
    assert [(o.component, o.module, o.bytes) for o in alive.split(W)] == [("ffn", None, 40 * MIB + 1024)]
    assert [(o.module, o.bytes) for o in alive.split(W, "ffn")] == [
        ("layers.0", 40 * MIB),
        ("layers.1", 1024),
    ]
    assert alive.split(Category.OPTIMIZER) == ()


@given(timelines(least=1), st.data())
def test_children_add_up_to_their_parents(timeline: Timeline, data: st.DataObject) -> None:
    run = replay(timeline)
    alive = AliveCursor(run).at(data.draw(st.integers(0, len(run.allocated) - 1)))
    for row in alive.split():
        parts = alive.split(row.category)
        assert (sum(p.bytes for p in parts), sum(p.blocks for p in parts)) == (row.bytes, row.blocks)
        for part in parts:
            modules = alive.split(row.category, part.component)
            assert (sum(m.bytes for m in modules), sum(m.blocks for m in modules)) == (
                part.bytes,
                part.blocks,
            )


def test_an_entry_that_did_not_run_has_nothing_alive() -> None:
    run = replay(STEP)
    with pytest.raises(IndexError):
        alive_at(run, len(run.allocated))
    with pytest.raises(IndexError):
        alive_at(run, -1)


@pytest.mark.parametrize("name", ["dense", "moe", "t5"])
def test_the_peak_of_a_planned_run_is_what_its_plan_says(name: str) -> None:
    plan = tiny_plan(name)
    index = plan.replay.peak_allocated_index
    assert index is not None
    at_peak = dict.fromkeys(CATEGORIES, 0)
    for group in alive_at(plan.replay, index):
        at_peak[group.category] += group.bytes
    assert {c: size for c, size in at_peak.items() if size} == plan.footprint.by_category
    assert dict(zip(CATEGORIES, levels(plan.replay).stack(index), strict=True)) == at_peak
    shown = sampled(levels(plan.replay), 70)
    assert max(c.allocated_bytes for c in shown.columns) == plan.footprint.peak_allocated_bytes
