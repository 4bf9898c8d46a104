"""Pinned plans side by side: exact rows without a terminal, and keys within one."""

import asyncio
from dataclasses import replace

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static

from anatomy.memory.allocator import replay
from anatomy.memory.timeline import Category, Timeline
from anatomy.planning.plan import Plan, place
from anatomy.tui.compare.rows import ComparedRow, Pin, comparison_rows
from anatomy.tui.compare.view import BASE, SMALLEST, Columns, CompareView

MIB = 1 << 20


@pytest.fixture
def pins(made_plan: Plan, made_timeline: Timeline) -> tuple[Pin, ...]:
    """The made plan; one of a higher rank; one whose activation at the peak is 100 MiB larger, trained in full."""
    higher = replace(made_plan, recipe=replace(made_plan.recipe, r=64), trainable_parameters=8_000_000)
    blocks = list(made_timeline.blocks)
    blocks[2] = replace(blocks[2], bytes=160 * MIB)
    unlimited = replay(replace(made_timeline, blocks=tuple(blocks)))
    recipe = replace(made_plan.recipe, method="full", target_modules="all-linear", r=16)
    found, fits = place(unlimited, (), recipe)
    full = replace(made_plan, recipe=recipe, replay=unlimited, footprint=found, fits=fits, targets=())
    return Pin(name="a", plan=made_plan), Pin(name="b[x]", plan=higher), Pin(name="c", plan=full)


def labelled(rows: tuple[ComparedRow, ...]) -> dict[str, ComparedRow]:
    return {row.label: row for row in rows}


def test_parts_add_up_to_the_totals_in_every_column(pins: tuple[Pin, ...]):
    rows = [row for row in comparison_rows(pins) if row.section == "peak"]
    whole = [0] * len(pins)
    for row in rows:
        if row.is_part:
            whole = [so_far + value for so_far, value in zip(whole, row.values, strict=True)]
        else:
            assert tuple(whole) == row.values, row.label
    assert [row.label for row in rows if not row.is_part] == [
        "peak allocated",
        "peak reserved",
        "on the device",
    ]


def test_numbers_are_the_plans_own(pins: tuple[Pin, ...]):
    rows = labelled(comparison_rows(pins, gpu="Large"))
    for at, pin in enumerate(pins):
        found = pin.plan.footprint
        assert rows["peak allocated"].values[at] == found.peak_allocated_bytes
        assert rows["peak reserved"].values[at] == found.peak_reserved_bytes
        assert rows["on the device"].values[at] == pin.plan.device_bytes
        assert rows["activations"].values[at] == found.by_category[Category.ACTIVATIONS]
        assert rows["trainable"].values[at] == pin.plan.trainable_parameters
        for phase, level in found.resting.items():
            assert rows[f"after {phase.value}"].values[at] == level
    assert rows["Large"].values == ("fits", "fits", None)
    assert rows["smallest GPU"].values == ("Large", "Large", None)


def test_settings_in_which_they_differ_and_no_others(pins: tuple[Pin, ...]):
    rows = labelled(comparison_rows(pins[:2]))
    settings = [row.label for row in rows.values() if row.section == "recipe"]
    assert settings == ["method", "r", "alpha"]
    assert rows["alpha"].values == ("16 (twice r)", "128 (twice r)")
    assert labelled(comparison_rows(pins))["r"].values == ("8", "64", None)


def test_differences_are_signed_against_the_base(pins: tuple[Pin, ...]):
    first = labelled(comparison_rows(pins))["peak allocated"]
    assert first.differences == (None, 0, 100 * MIB)
    assert first.texts() == ("160.00 MiB", "160.00 MiB (0 B)", "260.00 MiB (+100.00 MiB)")
    assert first.least == {0, 1}
    last = labelled(comparison_rows(pins, base=2))["peak allocated"]
    assert last.differences == (-100 * MIB, -100 * MIB, None)
    trained = labelled(comparison_rows(pins))["trainable"]
    assert trained.texts()[1] == "8.00 M (+7,000,000)"
    assert trained.least == frozenset()


def test_one_pin_and_none():
    assert comparison_rows(()) == ()


def test_one_pin_has_no_differences(pins: tuple[Pin, ...]):
    rows = comparison_rows(pins[:1])
    assert all(row.differences == (None,) and not row.least for row in rows)


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[int, ...] | str] = []

    def compose(self) -> ComposeResult:
        yield CompareView()

    def on_compare_view_removed(self, event: CompareView.Removed) -> None:
        self.heard.append(("removed", event.index))

    def on_compare_view_moved(self, event: CompareView.Moved) -> None:
        self.heard.append(("moved", event.index, event.to))

    def on_compare_view_recalled(self, event: CompareView.Recalled) -> None:
        self.heard.append(("recalled", event.index))


def test_keys(pins: tuple[Pin, ...]):
    async def go() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            view, table = host.query_one(CompareView), host.query_one(Columns)
            assert "Nothing is pinned" in str(view.query_one(Static).render())
            await pilot.press("x", "b")
            view.show(pins, gpu="Large")
            view.focus()
            await pilot.pause()
            await pilot.press("l", "b", "x", "less_than_sign", "enter")
            assert host.heard == [("removed", 1), ("moved", 1, 0), ("recalled", 0)]
            assert view.base == 1
            assert str(table.ordered_columns[2].label) == f"{BASE} b[x]"
            view.show((pins[1], pins[0], pins[2]))
            assert view.base == 0  # the base is a pin, wherever it stands
            view.show(pins[:1])
            assert (view.base, view.index) == (0, 0)
            cells = [str(cell) for cell in table.get_column_at(1)]
            assert not any(SMALLEST in cell for cell in cells)
            view.show(pins)
            await pilot.press("G")
            assert table.scroll_y == table.max_scroll_y > 0
            await pilot.press("g")
            assert table.scroll_y == 0

    asyncio.run(go())


@pytest.mark.parametrize("width", [80, 114])
def test_numbers_of_two_pins_are_seen_beside_their_labels(pins: tuple[Pin, ...], width: int):
    long = tuple(
        replace(pin, name=f"{pin.name}: lora r 8, bf16, 1 × 2,048 tokens on A100 80GB SXM") for pin in pins
    )

    async def go() -> None:
        host = Host()
        async with host.run_test(size=(width, 40)) as pilot:
            view = host.query_one(CompareView)
            for shown in (long[:1], long[:2]):
                view.show(shown)
                await pilot.pause()
                assert _line(host, "peak allocated").count("MiB") >= len(shown)
            assert "160.00 MiB (0 B)" in _line(host, "peak allocated")
            assert view.query_one(Columns).max_scroll_x == 0
            await pilot.resize_terminal(width + 40, 40)
            await pilot.pause()
            assert "160.00 MiB (0 B)" in _line(host, "peak allocated"), (
                "its label is there after a resize, too"
            )

    asyncio.run(go())


def _line(host: App[None], label: str) -> str:
    """The line of the screen that begins with a label."""
    screen = host.screen
    lines = ["".join(s.text for s in line) for line in screen._compositor.render_strips(screen.size)]
    return next(line for line in lines if line.strip().startswith(label))
