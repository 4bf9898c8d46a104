"""The picture of a run's memory, character by character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_timelines import MIB, small_run, timelines, tiny_plan

from anatomy.documents.scene import Scene, scene
from anatomy.memory.allocator import Replay, replay
from anatomy.memory.footprint import footprint
from anatomy.memory.levels import CATEGORIES, levels, sampled
from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline
from anatomy.render.axes import phase_labels, ticks, unit_of
from anatomy.render.palette import CATEGORY_LETTERS
from anatomy.render.picture import (
    ABOVE,
    BELOW,
    CAPACITY,
    EIGHTHS,
    GUTTER,
    OVER,
    REST,
    Cell,
    area,
    heights,
    picture,
    with_cursor,
)

RUN = replay(small_run())
LETTERS = set(CATEGORY_LETTERS.values())


def made(run: Replay, capacity: int | None = None, name: str = "") -> Scene:
    found = scene(run, capacity, name)
    assert found is not None
    return found


def drawn(of: Scene, width: int, height: int, **how: bool) -> list[str]:
    rows = picture(sampled(of.levels, width - GUTTER), of, height=height, **how)
    return ["".join(cell.character for cell in row) for row in rows]


def test_without_colour_letters_tell_what_is_what() -> None:
    assert drawn(made(RUN), 46, 14, letters=True) == [
        "  MiB               ▼ peak 100.00 MiB in back…",
        "  100┤  ┊          ┊t  ┊  ┊┊          ┊t   ┊ ┊",
        "     │  ┊          aaa ┊  ┊┊          aaaa ┊ ┊",
        "     │  ┊t tt t t  aaa ┊  ┊┊tt t t  t aaaa ┊ ┊",
        "     │  aaaaaaaaaa◆aaa tt ┊aaaaaaaaaa◆aaaa t ┊",
        "   50┤  aaaaaaaaaaaGGG◆GG◆┊aaaaaaaaaaaGGGG◆GG┊",
        "     │  aaaaaaaaaaaGGGGGGG┊aaaaaaaaaaaGGGGGGG┊",
        "     │WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        "     │WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        "     │WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        "    0┤WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        "     └──┬──────────┬───┬──┬┬──────────┬────┬─┬",
        "      l forward    bwd o   forward    bwd  o  ",
        "        step 1             step 2             ",
    ]


def test_what_lies_above_the_card_is_marked_and_its_line_is_named() -> None:
    rows = drawn(made(RUN, 70 * MIB, "Card 1"), 46, 14, letters=True)
    assert rows[1:4] == [
        "  100┤  ┊          ┊!  ┊  ┊┊          ┊!   ┊ ┊",
        "     │  ┊          !!! ┊  ┊┊          !!!! ┊ ┊",
        "     ╪ Card 1 70.00 MiB ╌╌╌╌!!╌!╌!╌╌!╌!!!!╌╌╌╌",
    ]


def test_a_card_with_room_to_spare_and_the_line_of_what_is_reserved() -> None:
    assert drawn(made(RUN, 120 * MIB, "Card 2"), 46, 14, letters=True, reserved=True)[:5] == [
        "  MiB               ▼ peak 100.00 MiB in back…",
        "     ╪╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ Card 2 120.00 MiB ",
        "  100┤  ┊          ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄",
        "     │  ┊          aaa ┊  ┊┊          aaaa ┊ ┊",
        "     │  ┊t┄tt┄t┄t┄┄aaa ┊  ┊┊tt t t  t aaaa ┊ ┊",
    ]


def test_a_far_larger_card_is_said_instead_of_drawn() -> None:
    of = made(RUN, 999 * MIB, "Card 3")
    assert drawn(of, 46, 14)[1][GUTTER:].startswith(" ↑ Card 3 999.00 MiB ")
    assert of.top(reserved=False) == of.peak_bytes


def test_eight_steps_a_row_where_colour_tells_the_categories() -> None:
    rows = picture(sampled(made(RUN).levels, 40), made(RUN), height=9)
    column = [row[GUTTER + 9] for row in rows[ABOVE:-BELOW]]
    assert len(rows) == 9
    assert column == [
        Cell(),
        Cell("▄", "activations"),
        Cell(" ", "", "activations"),
        Cell(" ", "", "weights"),
        Cell(" ", "", "weights"),
    ]


def test_where_two_categories_meet_one_lies_behind_the_other() -> None:
    """80 MiB in 3 rows of 33.3 MiB: weights end after 1.2 rows."""
    rows = picture(sampled(made(RUN).levels, 40), made(RUN), height=ABOVE + 3 + BELOW)
    assert rows[ABOVE + 1][GUTTER + 4] == Cell("▂", "weights", "activations")


@pytest.mark.parametrize(("width", "height"), [(7, 1), (7, 5), (20, 9), (80, 24), (300, 100)])
def test_every_size_is_filled(width: int, height: int) -> None:
    for letters in (False, True):
        of = made(RUN, 70 * MIB, "Card 1")
        rows = picture(sampled(of.levels, width - GUTTER), of, height=height, letters=letters, reserved=True)
        assert len(rows) == height
        assert {len(row) for row in rows} == {width}


@given(timelines(least=1), st.integers(1, 60), st.integers(1, 40), st.booleans())
def test_the_parts_of_a_column_are_as_high_as_its_rounded_total(
    timeline: Timeline, width: int, rows: int, letters: bool
) -> None:
    of = made(replay(timeline))
    columns = sampled(of.levels, width).columns
    top, units = of.top(reserved=False), rows * (1 if letters else 8)
    grid = area(columns, top, rows, letters=letters)
    for x, column in enumerate(columns):
        parts = heights(column, top, units)
        assert sum(parts) == int(column.allocated_bytes * units / top + 0.5)
        assert min(parts) >= 0
        cells = [row[x] for row in grid]
        assert sum(_filled(cell, letters) for cell in cells) == sum(parts)
    assert max(sum(heights(column, top, units)) for column in columns) == (units if of.peak_bytes else 0)


def _filled(cell: Cell, letters: bool) -> int:
    """How many steps of a cell are not blank."""
    if cell == Cell():
        return 0
    return 1 if letters else 8 if cell.ground else EIGHTHS.index(cell.character)


@given(timelines(least=1), st.integers(1, 60), st.integers(1, 100 * MIB))
def test_overflow_is_seen_exactly_where_it_is(timeline: Timeline, width: int, capacity: int) -> None:
    """In each column whose level is over the line something says so, and in no other."""
    of = made(replay(timeline), capacity)
    shown = sampled(of.levels, width)
    for letters in (False, True):
        body = [row[GUTTER:] for row in picture(shown, of, height=30, letters=letters)[ABOVE:-BELOW]]
        for x, column in enumerate(shown.columns):
            said = any(OVER in (row[x].ink, row[x].ground) for row in body)
            hidden = any(row[x].ink in (REST, CAPACITY) for row in body)
            assert said <= (column.allocated_bytes > capacity)
            assert said or hidden or column.allocated_bytes <= capacity


@pytest.mark.parametrize("name", ["dense", "moe", "t5"])
def test_a_planned_step_shows_the_peak_of_its_plan(name: str) -> None:
    plan = tiny_plan(name)
    of = made(plan.replay, plan.footprint.peak_allocated_bytes // 2, "half")
    assert of.peak_bytes == footprint(plan.replay.timeline, plan.replay).peak_allocated_bytes
    rows = drawn(of, 100, 30, letters=True)
    shown = sampled(of.levels, 100 - GUTTER)
    assert rows[0].index("▼") - GUTTER == shown.columns_of(plan.replay.peak_allocated_index or 0).start
    assert "!" in rows[1]
    assert plan.peak_words.split(",")[0] in rows[0]
    seen = {character for row in rows[ABOVE:-BELOW] for character in row[GUTTER:]}
    largest = max(plan.footprint.by_category, key=lambda category: plan.footprint.by_category[category])
    assert CATEGORY_LETTERS[largest] in seen


def test_a_peak_that_is_not_shown_is_pointed_at() -> None:
    of = made(RUN)
    before, after = (
        picture(sampled(of.levels, 60, start, stop), of, height=12)[0] for start, stop in ((0, 5), (20, 33))
    )
    assert "".join(cell.character for cell in before).endswith(" ▶")
    assert "".join(cell.character for cell in after)[GUTTER:].startswith("◀ peak 100.00 MiB in backward")


def test_where_memory_runs_out_is_marked() -> None:
    failing = replay(small_run(), capacity=80 * MIB)
    assert failing.out_of_memory is not None
    of = scene(RUN, 80 * MIB, "Card", failing.out_of_memory)
    assert of is not None
    shown = sampled(of.levels, 40)
    axis = picture(shown, of, height=12)[-BELOW][GUTTER:]
    assert [x for x, cell in enumerate(axis) if cell == Cell("✗", OVER)] == [
        shown.columns_of(failing.out_of_memory.index).start
    ]


def test_the_cursor_leaves_letters_to_be_read() -> None:
    row = [Cell("W", "weights"), Cell(" ", "", "weights"), Cell(), Cell("─", "axis")]
    assert [cell.character for cell in with_cursor(row)] == ["W", "│", "│", "│"]
    assert [cell.character for cell in with_cursor(row[3:], axis=True)] == ["▲"]


@pytest.mark.parametrize(
    ("top", "rows", "expected"),
    [
        (100, 10, {0: "0", 5: "50", 9: "100"}),
        (9 << 30, 12, {0: "0", 3: "2.5", 6: "5", 10: "7.5"}),
        (
            80 << 30,
            30,
            {0: "0", 3: "10", 7: "20", 11: "30", 15: "40", 18: "50", 22: "60", 26: "70", 29: "80"},
        ),
        (1, 1, {0: "1"}),
    ],
)
def test_ticks_are_round_numbers(top: int, rows: int, expected: dict[int, str]) -> None:
    assert ticks(top, rows) == expected


def test_units_follow_the_peak() -> None:
    assert [unit_of(top)[1] for top in (1, 1023, 1024, MIB, 1 << 30, 1 << 50)] == [
        *("B", "B", "KiB", "MiB", "GiB", "GiB")
    ]


@given(timelines(least=1), st.integers(1, 120))
def test_names_of_phases_never_touch(timeline: Timeline, width: int) -> None:
    shown = sampled(levels(replay(timeline)), width)
    end = -1
    for column, name in phase_labels(shown.spans):
        assert column > end
        end = column + len(name)
        assert end < width


def test_a_run_that_allocates_nothing_has_no_picture() -> None:
    nothing = Timeline(blocks=(), trace=(), marks=(Mark(at=0, phase=Phase.LOAD, step=0),))
    assert scene(replay(nothing)) is None


def test_blocks_of_nothing_make_a_flat_picture() -> None:
    flat = Timeline(
        blocks=(Block(bytes=0, category=Category.WEIGHTS),),
        trace=(0,),
        marks=(Mark(at=0, phase=Phase.LOAD, step=0),),
    )
    rows = drawn(made(replay(flat)), 40, 10, letters=True)
    assert not LETTERS & {character for row in rows[ABOVE:-BELOW] for character in row[GUTTER:]}
    assert len({row[GUTTER:].replace("◆", " ") for row in rows[ABOVE:-BELOW]}) == 1
    assert len(CATEGORIES) == len(LETTERS)
