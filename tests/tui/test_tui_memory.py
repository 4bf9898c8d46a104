"""The memory view in an app: every key, the mouse, and what both widgets agree on."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from made_timelines import MIB, small_run, tiny_plan
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Footer, Static

from anatomy.memory.alive import alive_at
from anatomy.memory.allocator import Replay, replay
from anatomy.memory.timeline import Mark, Phase, Timeline
from anatomy.render.picture import GUTTER
from anatomy.tui.memory.alive import AliveList
from anatomy.tui.memory.chart import MemoryChart
from anatomy.tui.memory.view import EMPTY, NOTHING, MemoryView

RUN = replay(small_run())
PEAK = RUN.peak_allocated_index or 0
STEP_1 = (1, 17)
"""The entries of step 1, which has the peak."""


class Host(App[None]):
    """Nothing but the view."""

    def __init__(self, run: Replay | None = RUN, capacity: int | None = 70 * MIB) -> None:
        super().__init__()
        self.run_shown, self.capacity = run, capacity
        self.moves: list[int] = []

    def compose(self) -> ComposeResult:
        yield MemoryView()
        yield Footer()

    def on_mount(self) -> None:
        self.animation_level = "none"
        if self.run_shown is not None:
            self.query_one(MemoryView).show(self.run_shown, self.capacity, "Card 1")
        self.query_one(MemoryChart).focus()

    def on_memory_chart_moved(self, message: MemoryChart.Moved) -> None:
        self.moves.append(message.index)


def driven(
    check: Callable[[Host, Pilot[None]], Awaitable[None]], size: tuple[int, int] = (80, 24), **how
) -> None:
    async def run() -> None:
        host = Host(**how)
        async with host.run_test(size=size) as pilot:
            await pilot.pause()
            await check(host, pilot)

    asyncio.run(run())


def text_of(host: Host, selector: str) -> list[str]:
    """What a widget shows, line by line."""
    widget = host.query_one(selector)
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


@pytest.fixture(autouse=True)
def in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_run_opens_at_its_peak_in_its_step() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        chart = host.query_one(MemoryChart)
        assert (chart.index, chart.window.start, chart.window.stop) == (PEAK, *STEP_1)
        assert host.moves == [PEAK]
        assert "peak 100.00 MiB in backward of step 1" in text_of(host, "MemoryChart")[0]
        assert any("Card 1 70.00 MiB" in row for row in text_of(host, "MemoryChart"))
        alive = host.query_one(MemoryView).table.alive
        assert alive is not None
        assert alive.groups() == alive_at(RUN, PEAK)

    driven(check)


KEYS = [
    ("left_square_bracket", PEAK - 1),
    ("right_square_bracket", PEAK + 1),
    ("comma", 10),
    ("full_stop", 14),
    ("home", STEP_1[0]),
    ("end", STEP_1[1] - 1),
    ("left", PEAK - 1),
    ("h", PEAK - 1),
    ("right", PEAK + 1),
    ("l", PEAK + 1),
]
"""Key -> where it leads from the peak; 16 entries lie in 74 columns, so that a column is at most an entry."""


@pytest.mark.parametrize(("key", "index"), KEYS, ids=[key for key, _ in KEYS])
@pytest.mark.parametrize("focus", ["MemoryChart", "AliveList"])
def test_keys_move_the_cursor_wherever_the_focus_is(key: str, index: int, focus: str) -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        host.query_one(focus).focus()
        await pilot.press(key)
        view = host.query_one(MemoryView)
        assert view.chart.index == index
        assert view.table.alive is not None
        assert view.table.alive.groups() == alive_at(RUN, index)
        await pilot.press("p")
        assert view.chart.index == PEAK

    driven(check)


@pytest.mark.parametrize("keys", [("shift+left", "shift+right"), ("ctrl+left", "ctrl+right"), ("H", "L")])
def test_ten_columns_at_once(keys: tuple[str, str]) -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        chart = host.query_one(MemoryChart)
        await pilot.press("0", "home", keys[1])
        shown = chart.shown()
        assert shown is not None
        last = shown.columns_of(0).stop - 1
        assert chart.index == shown.columns[last + 10].index
        await pilot.press(keys[0])
        assert chart.index < shown.columns[last + 10].index

    driven(check)


def test_columns_lead_through_the_whole_run() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        chart = host.query_one(MemoryChart)
        await pilot.press(*["L"] * 12, *["right"] * 4)
        assert (chart.index, chart.window.stop) == (32, 33)
        await pilot.press(*["H"] * 12, *["left"] * 4)
        assert (chart.index, chart.window.start) == (0, 0)
        assert chart.window.width == STEP_1[1] - STEP_1[0]

    driven(check)


def test_zoom_whole_and_step() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        chart = host.query_one(MemoryChart)
        await pilot.press("plus")
        assert (chart.window.width, chart.index) == (8, PEAK)
        await pilot.press("plus")
        assert chart.window.width == 8
        await pilot.press("minus", "minus")
        assert chart.window.width == 32
        await pilot.press("0")
        assert (chart.window.start, chart.window.stop) == (0, 33)
        assert "step 2" in text_of(host, "MemoryChart")[-1]
        await pilot.press("o")
        assert (chart.window.start, chart.window.stop) == STEP_1

    driven(check)


def test_edges_of_the_picture_then_of_the_run() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        chart = host.query_one(MemoryChart)
        await pilot.press("end", "end")
        assert chart.index == 32
        await pilot.press("home", "home")
        assert chart.index == 0

    driven(check)


def test_reserved_and_letters_are_switched() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        assert not any("┄" in row for row in text_of(host, "MemoryChart"))
        await pilot.press("r")
        assert any("┄" in row for row in text_of(host, "MemoryChart"))
        assert not any("WWWW" in row for row in text_of(host, "MemoryChart"))
        await pilot.press("c")
        assert any("WWWW" in row for row in text_of(host, "MemoryChart"))

    driven(check)


def test_letters_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def check(host: Host, pilot: Pilot[None]) -> None:
        assert any("WWWW" in row for row in text_of(host, "MemoryChart"))
        assert any("!!" in row for row in text_of(host, "MemoryChart"))
        assert any("W weights" in row for row in text_of(host, "AliveList"))

    driven(check)


def test_the_mouse_points_drags_and_zooms() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        chart = host.query_one(MemoryChart)
        shown = chart.shown()
        assert shown is not None
        await pilot.click(MemoryChart, offset=(GUTTER + 20, 3))
        assert chart.index == shown.columns[20].index
        await pilot.mouse_down(MemoryChart, offset=(GUTTER + 20, 3))
        await pilot.hover(MemoryChart, offset=(GUTTER + 60, 3))
        assert chart.index == shown.columns[60].index
        await pilot.mouse_up(MemoryChart, offset=(GUTTER + 60, 3))
        await pilot.hover(MemoryChart, offset=(GUTTER + 5, 3))
        assert chart.index == shown.columns[60].index
        await pilot.click(MemoryChart, offset=(0, 3))
        assert chart.index == STEP_1[0]
        await pilot._post_mouse_events([_scroll("up")], MemoryChart, (GUTTER + 20, 3))
        assert chart.window.width == 8
        await pilot._post_mouse_events([_scroll("down")], MemoryChart, (GUTTER + 20, 3))
        assert chart.window.width == 16

    driven(check)


def _scroll(direction: str):
    from textual import events

    return events.MouseScrollUp if direction == "up" else events.MouseScrollDown


def test_the_table_unfolds_sorts_and_keeps_what_is_unfolded() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        table = host.query_one(AliveList)
        await pilot.press("enter", "down", "enter")
        assert [row.name for row in table.rows[:4]] == ["weights", "ffn", "layers.0", "activations"]
        await pilot.press("left_square_bracket")
        assert [row.name for row in table.rows[:3]] == ["weights", "ffn", "layers.0"]
        assert table.rows[table.row].name == "ffn"
        await pilot.press("s")
        assert [row.name for row in table.rows if not row.depth] == ["activations", "gradients", "weights"]
        assert table.rows[table.row].name == "ffn"
        await pilot.press("G")
        assert table.row == len(table.rows) - 1
        await pilot.press("enter")
        assert table.rows[table.row].name == "ffn"
        await pilot.press("g", "k")
        assert table.row == 0
        await pilot.press("ctrl+d", "pagedown")
        assert table.row == len(table.rows) - 1
        await pilot.press("ctrl+u", "pageup", "j")
        assert table.row == 1

    driven(check)


def test_a_click_goes_to_a_row_and_a_second_unfolds_it() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        table = host.query_one(AliveList)
        await pilot.click(AliveList, offset=(5, 2))
        assert (table.row, len(table.rows)) == (2, 4)
        await pilot.click(AliveList, offset=(5, 2))
        assert (table.rows[2].unfolded, len(table.rows)) == (True, 5)

    driven(check)


def test_names_with_brackets_are_shown_as_they_are() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("0", "comma", "full_stop", "comma")
        host.query_one(MemoryChart).go(10)
        await pilot.pause()
        assert "[head]" in str(host.query_one("#alive-running", Static).content)
        assert "[head]" in host.query_one("#alive-running").render_line(0).text

    driven(check)


def test_another_card_keeps_cursor_and_zoom_and_another_run_does_not() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        view = host.query_one(MemoryView)
        await pilot.press("0", "left_square_bracket")
        view.show(RUN, 60 * MIB, "Card 2")
        await pilot.pause()
        assert (view.chart.index, view.chart.window.width) == (PEAK - 1, 33)
        assert any("Card 2 60.00 MiB" in row for row in text_of(host, "MemoryChart"))
        other = replay(small_run(), capacity=80 * MIB)
        view.show(other)
        await pilot.pause()
        assert view.chart.index == other.peak_allocated_index
        assert view.table.alive is not None
        assert view.table.alive.groups() == alive_at(other, view.chart.index)
        assert "out of memory" in view._legend().plain

    driven(check)


def test_before_any_run_and_for_a_run_of_nothing() -> None:
    nothing = replay(Timeline(blocks=(), trace=(), marks=(Mark(at=0, phase=Phase.LOAD, step=0),)))

    async def check(host: Host, pilot: Pilot[None]) -> None:
        view = host.query_one(MemoryView)
        assert view.note == EMPTY
        await pilot.press("left", "p", "plus", "0", "enter", "full_stop", "o", "home")
        view.show(nothing)
        await pilot.press("right", "G", "s")
        assert view.note == NOTHING
        view.show(RUN)
        await pilot.pause()
        assert (view.note, view.chart.index) == ("", PEAK)
        view.show(nothing)
        await pilot.pause()
        assert view.table.alive is None
        assert not host.query_one(AliveList).rows

    driven(check, run=None)


def test_an_old_answer_is_marked() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        view = host.query_one(MemoryView)
        view.stale, view.note = True, "rehearsing: the picture is of the recipe before"
        await pilot.pause()
        assert view.has_class("-stale")
        assert host.query_one(".memory-note").display
        await pilot.press("left")
        assert view.chart.index == PEAK - 1

    driven(check)


def test_a_resize_storm_and_both_themes() -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        for size in [(80, 24), (200, 60), (20, 8), (1, 1), (7, 3), (160, 48), (80, 24)]:
            await pilot.resize_terminal(*size)
            await pilot.press("right", "left", "plus", "minus", "down")
        host.theme = "textual-light"
        await pilot.pause()
        assert "▼" in text_of(host, "MemoryChart")[0]
        assert host.query_one(MemoryChart).size.width == 80

    driven(check)


@pytest.mark.parametrize(("size", "least"), [((80, 24), (12, 5)), ((200, 60), (30, 15))])
def test_room_for_both_halves(size: tuple[int, int], least: tuple[int, int]) -> None:
    async def check(host: Host, pilot: Pilot[None]) -> None:
        assert host.query_one(MemoryChart).size.height >= least[0]
        assert host.query_one(AliveList).size.height >= least[1]
        assert host.query_one(MemoryChart).size.width == size[0]

    driven(check, size=size)


@pytest.mark.parametrize("name", ["dense", "moe", "t5"])
def test_a_planned_run_is_walked_through(name: str) -> None:
    plan = tiny_plan(name)

    async def check(host: Host, pilot: Pilot[None]) -> None:
        view = host.query_one(MemoryView)
        assert plan.replay.allocated[view.chart.index] == plan.footprint.peak_allocated_bytes
        for key in ("comma", "left", "shift+left", "minus", "full_stop", "right", "0", "end"):
            await pilot.press(key)
            alive = view.table.alive
            assert alive is not None
            assert alive.index == view.chart.index
            assert sum(row.owned.bytes for row in view.table.list.rows) == plan.replay.allocated[alive.index]

    driven(check, run=plan.replay, capacity=None)
