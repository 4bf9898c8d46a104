"""What a picture shows of a run, and where the cursor goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_timelines import small_run, timelines

from anatomy.memory.allocator import replay
from anatomy.memory.levels import levels, sampled
from anatomy.memory.timeline import Phase, Timeline
from anatomy.tui.memory.window import NARROWEST, Window, beside, phase_beside, step_window

RUN = replay(small_run())


@st.composite
def windows(draw: st.DrawFn) -> Window:
    entries = draw(st.integers(1, 500))
    start = draw(st.integers(0, entries - 1))
    return Window(start=start, stop=draw(st.integers(start + 1, entries)), entries=entries)


@given(windows(), st.data())
def test_zooming_keeps_the_cursor_in_sight(window: Window, data: st.DataObject) -> None:
    cursor = data.draw(st.integers(window.start, window.stop - 1))
    for width in (window.width // 2, window.width * 2):
        zoomed = window.resized(cursor, width)
        assert 0 <= zoomed.start <= cursor < zoomed.stop <= zoomed.entries
        assert zoomed.width == max(min(NARROWEST, window.entries), min(width, window.entries))


def test_zooming_in_and_out_ends_at_entries_and_at_the_whole() -> None:
    window = Window(start=0, stop=100_000, entries=100_000)
    for _ in range(30):
        window = window.resized(70_000, window.width // 2)
    assert (window.width, window.start <= 70_000 < window.stop) == (NARROWEST, True)
    for _ in range(30):
        window = window.resized(70_000, window.width * 2)
    assert window == window.whole()


@given(windows(), st.data())
def test_the_picture_moves_no_more_than_needed(window: Window, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, window.entries - 1))
    moved = window.including(index)
    assert moved.start <= index < moved.stop
    assert moved.width == window.width
    assert moved == window or index in (moved.start, moved.stop - 1)


@given(timelines(least=1), st.integers(1, 90), st.data())
def test_moving_by_columns_reaches_both_ends(timeline: Timeline, width: int, data: st.DataObject) -> None:
    """Each press moves on, the window follows, and nothing is in the way."""
    run = replay(timeline)
    found, entries = levels(run), len(run.allocated)
    start = data.draw(st.integers(0, entries - 1))
    window = Window(start=start, stop=data.draw(st.integers(start + 1, entries)), entries=entries)
    for by, end in ((1, entries - 1), (-1, 0), (10, entries - 1), (-10, 0)):
        index = data.draw(st.integers(0, entries - 1))
        window = window.including(index)
        for _ in range(entries + 1):
            target = max(
                0, min(beside(sampled(found, width, window.start, window.stop), index, by), entries - 1)
            )
            assert (target - index) * by >= 0
            if target == index:
                break
            index = target
            window = window.including(index)
        assert index == end or end in column_at(found, window, width, index)


def column_at(found, window: Window, width: int, index: int) -> range:
    shown = sampled(found, width, window.start, window.stop)
    column = shown.columns[shown.columns_of(index).start]
    return range(column.start, column.stop)


def test_phases_one_by_one() -> None:
    starts, index = [0], 0
    while (next_one := phase_beside(RUN, index, 1)) is not None:
        starts.append(index := next_one)
    assert starts == [mark.at for mark in RUN.timeline.marks]
    assert phase_beside(RUN, starts[2] + 1, -1) == starts[2]
    assert phase_beside(RUN, starts[2], -1) == starts[1]
    assert phase_beside(RUN, 0, -1) is None


def test_one_step_at_a_time() -> None:
    peak = RUN.peak_allocated_index
    assert peak is not None
    step = step_window(RUN, peak)
    assert RUN.timeline.mark_at(step.start).phase is Phase.FORWARD
    assert {RUN.timeline.mark_at(i).step for i in range(step.start, step.stop)} == {1}
    assert RUN.timeline.mark_at(step.stop).step == 2
    assert step_window(RUN, 0) == step.whole()


def test_a_window_is_never_empty() -> None:
    assert Window(start=0, stop=3, entries=3).resized(1, 0).width == 3
    with pytest.raises(ValueError, match="cannot be cut"):
        sampled(levels(RUN), 10, 3, 3)
