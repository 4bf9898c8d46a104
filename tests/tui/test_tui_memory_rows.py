"""The lines of the table of what is alive."""

from hypothesis import given
from hypothesis import strategies as st
from made_timelines import MIB, small_run, timelines

from anatomy.memory.alive import AliveCursor
from anatomy.memory.allocator import replay
from anatomy.memory.timeline import Category, Timeline
from anatomy.tui.memory.rows import headline, rows

RUN = replay(small_run())
WEIGHTS = Category.WEIGHTS
AT_PEAK = AliveCursor(RUN).at(RUN.peak_allocated_index or 0)


def test_categories_first() -> None:
    assert [(row.name, row.owned.bytes, row.unfolded) for row in rows(AT_PEAK)] == [
        ("weights", 40 * MIB, False),
        ("activations", 30 * MIB, False),
        ("gradients", 20 * MIB, False),
        ("temporaries", 10 * MIB, False),
    ]


def test_unfolded_into_components_and_modules() -> None:
    unfolded = {("gradients",), ("gradients", "ffn"), ("temporaries",), ("temporaries", "")}
    assert [(row.depth, row.name, row.unfolded) for row in rows(AT_PEAK, unfolded)] == [
        (0, "weights", False),
        (0, "activations", False),
        (0, "gradients", True),
        (1, "ffn", True),
        (2, "[head]", None),
        (0, "temporaries", True),
        (1, "(no component)", True),
        (2, "layers.0", None),
    ]


def test_by_name() -> None:
    assert [row.name for row in rows(AT_PEAK, by_name=True)] == [
        *("activations", "gradients", "temporaries", "weights")
    ]


@given(timelines(least=1), st.data())
def test_every_level_adds_up_to_what_is_allocated(timeline: Timeline, data: st.DataObject) -> None:
    run = replay(timeline)
    alive = AliveCursor(run).at(data.draw(st.integers(0, len(run.allocated) - 1)))
    unfolded = {key[:depth] for key, _, _ in alive.present for depth in (1, 2)}
    shown = rows(alive, unfolded, by_name=data.draw(st.booleans()))
    for depth in range(3):
        assert sum(row.owned.bytes for row in shown if row.depth == depth) == run.allocated[alive.index]
    assert len({row.key for row in shown}) == len(shown)


def test_what_runs_at_an_entry() -> None:
    assert headline(RUN, 0) == (
        "load · layers.0",
        "40.00 MiB allocated, 40.00 MiB reserved · entry 1 of 33: +40.00 MiB weights",
    )
    peak = RUN.peak_allocated_index or 0
    assert headline(RUN, peak)[0] == "step 1 · backward · layers.0 · aten.add"
    assert headline(RUN, peak + 1)[1].endswith(f"entry {peak + 2} of 33: -10.00 MiB temporaries")
