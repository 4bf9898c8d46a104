"""The table of GPUs: rows without a terminal, and keys within one."""

import asyncio
from dataclasses import replace

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static
from tiny_models import make_gpu

from anatomy.hardware.catalog import all_gpus
from anatomy.planning.plan import Plan
from anatomy.tui.gpus.rows import HEADINGS, UNKNOWN, Order, arranged, gpu_rows, texts
from anatomy.tui.gpus.table import GpuTable, Rows

GPUS = tuple(make_gpu(name, 1) for name in ("Small", "Old", "Tight", "Boxed", "Large"))


@pytest.fixture
def one(made_plan: Plan) -> Plan:
    """The same run, planned for one GPU."""
    return replace(made_plan, fits=tuple(fit for fit in made_plan.fits if fit.gpu == "Tight"))


def test_a_row_is_the_plans_fit(made_plan: Plan):
    rows = {row.gpu: row for row in gpu_rows(made_plan, GPUS, chosen="Large")}
    for fit in made_plan.fits:
        row = rows[fit.gpu]
        found = (row.verdict, row.memory_bytes, row.headroom_bytes, row.reserved_bytes, row.context_bytes)
        assert found == (
            fit.verdict, fit.memory_bytes, fit.headroom_bytes, fit.reserved_bytes, fit.context_bytes
        )  # fmt: skip
        assert row.current
    assert [row.gpu for row in rows.values() if row.chosen] == ["Large"]
    assert [row.gpu for row in rows.values() if row.smallest] == [made_plan.smallest_fit.gpu]  # type: ignore[union-attr]


def test_what_an_earlier_plan_said_is_marked_so(made_plan: Plan, one: Plan):
    rows = {row.gpu: row for row in gpu_rows(one, GPUS, earlier=made_plan, chosen="Tight")}
    assert rows["Tight"].current
    assert not rows["Large"].current
    assert rows["Large"].remark == "of the plan for all GPUs"
    other = replace(one, recipe=replace(one.recipe, r=64))
    rows = {row.gpu: row for row in gpu_rows(other, GPUS, earlier=made_plan)}
    assert rows["Large"].remark.startswith("of an earlier plan: lora r 8")
    assert {row.verdict for row in gpu_rows(None, GPUS)} == {UNKNOWN}


@pytest.mark.parametrize("heading", HEADINGS, ids=lambda heading: heading.name)
def test_every_column_sorts_both_ways(heading, made_plan: Plan):
    rows = gpu_rows(made_plan, GPUS)
    up = arranged(rows, Order(by=heading.name))
    down = arranged(rows, Order(by=heading.name, reverse=True))
    assert set(up) == set(down) == set(rows)
    if heading.is_bytes:
        values = [value for row in up if (value := getattr(row, heading.name)) is not None]
        assert values == sorted(values)
        assert values[::-1] == [v for row in down if (v := getattr(row, heading.name)) is not None]
        unknown = len(rows) - len(values)
        assert all(getattr(row, heading.name) is None for row in down[len(rows) - unknown :])


def test_verdicts_sort_by_what_they_mean(made_plan: Plan):
    verdicts = [row.verdict for row in arranged(gpu_rows(made_plan, GPUS), Order(by="verdict"))]
    assert verdicts[0] == "fits"
    assert verdicts[-1] == "does not fit"


def test_words_filter(made_plan: Plan):
    rows = gpu_rows(made_plan, GPUS)
    assert [row.gpu for row in arranged(rows, Order(), "larg FITS")] == ["Large"]
    assert arranged(rows, Order(), "nothing like it") == ()


def test_cells_are_the_reports(made_plan: Plan):
    rows = gpu_rows(made_plan, GPUS)
    cells = dict(zip((row.gpu for row in rows), texts(rows), strict=True))["Large"]
    assert cells[:4] == ("Large", "fits", "824.00 MiB", "2.00 GiB")


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str | None] = []

    def compose(self) -> ComposeResult:
        yield GpuTable()

    def on_gpu_table_chosen(self, event: GpuTable.Chosen) -> None:
        self.heard.append(event.name)


def test_keys_and_mouse(made_plan: Plan):
    gpus = all_gpus()
    names = {fit.gpu: gpu.name for fit, gpu in zip(made_plan.fits, gpus, strict=False)}
    plan = replace(made_plan, fits=tuple(replace(fit, gpu=names[fit.gpu]) for fit in made_plan.fits))

    async def go() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            table, rows = host.query_one(GpuTable), host.query_one(Rows)
            table.show(plan, chosen=gpus[0].name)
            table.focus()
            await pilot.pause()
            assert table.rows[0].gpu == gpus[0].name
            await pilot.press("j", "enter")
            assert host.heard == [table.rows[1].gpu]
            await pilot.press("backspace")
            assert host.heard[-1] is None
            before = table.rows[rows.cursor_row].gpu
            await pilot.press("S")
            assert table.rows[rows.cursor_row].gpu == before  # the cursor stays with its GPU
            await pilot.press("s")
            assert table.order == Order(by="reserved_bytes")
            await pilot.press("slash", *"4090", "enter")
            assert [row.gpu for row in table.rows if "4090" not in row.gpu] == []
            assert host.focused is rows
            await pilot.press("escape", "G")
            assert rows.cursor_row == len(gpus) - 1
            await pilot.click(rows, offset=(6, 0))
            assert table.order == Order(by="gpu")
            await pilot.click(rows, offset=(6, 0))
            assert table.order == Order(by="gpu", reverse=True)
            assert f"{len(gpus)} of {len(gpus)} GPUs" in str(table.query_one(Static).render())

    asyncio.run(go())
