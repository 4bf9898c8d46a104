"""Runs in the interface: changed, stale, answered, pinned, compared, taken back, held against a GPU."""

from pathlib import Path

import pytest
from made_backstage import LLAMA, OTHER, Session, browsed
from made_records import make_record
from textual.widgets import ContentSwitcher, OptionList

from anatomy.profiling.record import KIND, save
from anatomy.training.choices import CHOICES
from anatomy.tui.compare.view import Columns, CompareView
from anatomy.tui.gpus.table import GpuTable
from anatomy.tui.memory.view import MemoryView
from anatomy.tui.recipe.answer import AnswerLine, AnswerPanel
from anatomy.tui.recipe.form import RecipeForm
from anatomy.tui.runs.view import RunsView
from anatomy.tui.tree.details import Details
from anatomy.units import format_bytes

pytestmark = pytest.mark.usefixtures("here")

METHODS = CHOICES["method"]


def form(session: Session) -> RecipeForm:
    return session.body.query_one(RecipeForm)


def peak(session: Session) -> int:
    """Of the answer on screen."""
    return int(session.desk.shown[1].plan.footprint.peak_allocated_bytes)


def stale_marks(session: Session) -> tuple[bool, ...]:
    """Whether the answer is said to be an older one: in the memory view, in the panel, in the line."""
    answers = [session.body.query_one(kind).answer for kind in (AnswerPanel, AnswerLine)]
    return session.body.query_one(MemoryView).stale, *(bool(answer.progress) for answer in answers)


async def choose(session: Session, name: str, *keys: str) -> None:
    """Go to a setting and press keys there."""
    await session.press("2")
    form(session).go_to(name)
    await session.press(*keys)


def test_a_change_is_stale_until_its_answer_is_there():
    async def script(session: Session) -> None:
        before = peak(session)
        assert stale_marks(session) == (False,) * 3
        session.behind.held = True
        await choose(session, "seq_len", "right")
        assert session.desk.run.recipe.seq_len == 128
        assert stale_marks(session) == (True,) * 3
        assert peak(session) == before, "the old answer stays on screen"
        assert format_bytes(before) in session.text()
        assert "rehearsing the training step" in session.text()
        session.behind.held = False
        session.behind.release()
        await session.settle()
        assert stale_marks(session) == (False,) * 3
        assert peak(session) > before
        assert format_bytes(peak(session)) in session.text()
        assert "rehearsing" not in session.text()

    browsed(script)


def test_what_is_known_is_there_at_once():
    async def script(session: Session) -> None:
        first = peak(session)
        await choose(session, "seq_len", "right")
        asked = len(session.behind.asked)
        session.behind.held = True
        await session.press("left")
        assert peak(session) == first
        assert stale_marks(session) == (False,) * 3
        assert len(session.behind.asked) == asked

    browsed(script)


def test_quick_changes_are_asked_for_once(monkeypatch):
    monkeypatch.setattr("anatomy.tui.app.PAUSE", 0.5)

    async def script(session: Session) -> None:
        await choose(session, "batch_size", "right", "right", "right")
        assert session.desk.run.recipe.batch_size == 8
        assert [request.recipe.batch_size for request in session.behind.rehearsed()] == [1, 8]

    browsed(script)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_an_impossible_value_is_a_sentence_under_its_field(size):
    async def script(session: Session) -> None:
        before = session.desk.run
        await choose(session, "r", "enter", "0", "enter")
        refused = next(row for row in form(session)._rows if row.field.name == "r").refused
        assert refused
        assert refused.split()[0] in session.text()
        assert session.desk.run == before
        assert len(session.behind.rehearsed()) == 1
        await session.press("enter", "3", "2", "enter")
        assert session.desk.run.recipe.r == 32
        assert not next(row for row in form(session)._rows if row.field.name == "r").refused

    browsed(script, size=size)


def test_a_setting_given_back_is_the_default_again():
    async def script(session: Session) -> None:
        first = session.desk.run
        await choose(session, "optimizer", "right")
        assert session.desk.run.recipe.optimizer != first.recipe.optimizer
        await session.press("backspace")
        assert session.desk.run.key == first.key
        assert not session.desk.stale

    browsed(script)


def test_a_target_is_toggled_and_the_plan_changes():
    async def script(session: Session) -> None:
        everything = session.desk.shown[1].plan
        await session.press("slash")
        await session.type("q_proj")
        await session.press("enter")
        assert "q_proj" in session.body.modules.row.path
        await session.press("t")
        fewer = session.desk.shown[1].plan
        assert not session.desk.stale
        assert set(session.desk.run.recipe.target_modules) == set(everything.targets) - {"q_proj"}
        assert set(fewer.targets) == set(everything.targets) - {"q_proj"}
        assert fewer.trainable_parameters < everything.trainable_parameters
        await session.press("t")
        assert set(session.desk.shown[1].plan.targets) == set(everything.targets)
        assert session.desk.shown[1].plan.trainable_parameters == everything.trainable_parameters

    browsed(script)


def test_what_cannot_be_a_target_is_said():
    async def script(session: Session) -> None:
        before = session.desk.run
        await session.press("slash")
        await session.type("rotary_emb")
        await session.press("enter", "t")
        assert session.desk.run == before
        assert session.notified()

    browsed(script)


def test_details_follow_the_cursor_with_its_part_of_the_peak():
    async def script(session: Session) -> None:
        await session.press("slash")
        await session.type("lm_head")
        await session.press("enter")
        share = session.desk.shown[1].modules["lm_head"]
        assert session.body.modules.row.path == "lm_head"
        text = session.body.query_one(Details).text
        assert text.startswith("path: lm_head")
        assert format_bytes(share.peak_bytes) in text
        assert text.splitlines()[0] in session.text()

    browsed(script)


def test_the_memory_cursor_says_what_is_alive():
    async def script(session: Session) -> None:
        await session.press("3")
        view = session.body.query_one(MemoryView)
        replay = session.desk.shown[1].plan.replay
        at = [view.chart.index]
        assert at == [replay.peak_allocated_index]
        for keys in (("left",), ("h",), ("left_square_bracket",), ("comma",), ("full_stop",), ("L",), ("G",)):
            await session.press(*keys)
            at.append(view.chart.index)
        assert len(set(at)) > 4
        await session.press("p")
        assert view.chart.index == replay.peak_allocated_index
        assert format_bytes(replay.allocated[view.chart.index]) in session.text()

    browsed(script)


def test_a_gpu_is_chosen_and_given_back():
    async def script(session: Session) -> None:
        await session.press("4")
        table = session.body.query_one(GpuTable)
        assert len(session.desk.shown[1].plan.fits) > 20
        await session.press("slash")
        await session.type("rtx 4090")
        await session.press("enter", "g", "enter")
        chosen = table.rows[0].gpu
        assert session.desk.run.gpu == chosen
        assert [fit.gpu for fit in session.desk.shown[1].plan.fits] == [chosen]
        assert session.title().endswith(f"on {chosen}")
        await session.press("backspace")
        assert session.desk.run.gpu is None
        assert not session.desk.stale
        await session.press("escape")
        assert len(table.rows) > 20

    browsed(script)


def test_gpus_are_sorted_by_any_column_by_key_and_by_click():
    async def script(session: Session) -> None:
        await session.press("4")
        table = session.body.query_one(GpuTable)
        first = table.rows
        orders = set()
        for _ in range(8):
            await session.press("s")
            orders.add(table.order.by)
        assert len(orders) > 4
        while table.order.by != "memory_bytes":
            await session.press("s")
        sizes = [row.memory_bytes for row in table.rows]
        await session.press("S")
        assert [row.memory_bytes for row in table.rows] == sizes[::-1] != sizes
        assert {row.gpu for row in table.rows} == {row.gpu for row in first}
        await session.click("#gpus Rows", (6, 0))
        assert [row.gpu for row in table.rows] == sorted(
            (row.gpu for row in first), reverse=table.order.reverse
        )

    browsed(script)


def test_while_a_gpus_kernels_are_rehearsed_its_verdict_by_the_others_is_said():
    async def script(session: Session) -> None:
        session.behind.held = True
        await session.press("4")
        gpu = session.desk.shown[1].plan.fits[-1].gpu
        session.app.change("gpu", gpu)
        await session.settle()
        assert session.desk.stale
        fit = session.desk.beforehand()
        assert fit.gpu == gpu
        said = session.body.query_one(AnswerPanel).answer.progress
        assert said.startswith(f"{gpu}: {fit.verdict}, by the kernels of {session.desk.everywhere_on()}; ")
        assert "by the kernels" in session.text()

    browsed(script)


def test_pinned_compared_moved_recalled_and_removed():
    async def script(session: Session) -> None:
        await session.press("P")
        first = session.desk.run
        await session.press("P")
        assert len(session.desk.pins) == 1, "once is enough"
        await choose(session, "method", *["right"])
        await session.press("P")
        second = session.desk.run
        assert [pin.run for pin in session.desk.pins] == [first, second]
        await session.press("5")
        view = session.body.query_one(CompareView)
        rows = {row.label: row for row in view.rows}
        peaks = [pin.column.plan.footprint.peak_allocated_bytes for pin in session.desk.pins]
        assert any(tuple(row.values) == tuple(peaks) for row in rows.values() if row.kind == "bytes")
        difference = peaks[1] - peaks[0]
        assert ("+" if difference > 0 else "-") in session.text()
        assert view.index == 0
        await session.press("greater_than_sign")
        assert [pin.run for pin in session.desk.pins] == [second, first]
        assert view.index == 1
        await session.press("enter")
        assert session.desk.run == first
        assert not session.desk.stale
        await session.press("h", "enter")
        assert session.desk.run == second
        await session.press("x")
        assert [pin.run for pin in session.desk.pins] == [first]
        await session.press("x")
        assert session.desk.pins == []
        session.app.clear_notifications()
        await session.settle()
        assert "Nothing is pinned yet" in session.text()
        await session.press("x", "enter", "b", "less_than_sign")

    browsed(script)


def test_what_is_stale_is_not_pinned():
    async def script(session: Session) -> None:
        session.behind.held = True
        await choose(session, "seq_len", "right")
        await session.press("P")
        assert session.desk.pins == []
        assert session.notified() == ["There is no answer to pin yet."]

    browsed(script)


def test_a_pin_of_another_model_brings_that_model_back():
    async def script(session: Session) -> None:
        await session.press("P")
        layers = [item for item in session.body.modules.outline.modules if item.startswith("model.layers.")]
        session.app.open_model(type(session.desk.model)(reference=OTHER))
        await session.settle()
        assert session.title().startswith(OTHER)
        assert len(session.desk.pins) == 1
        assert len(session.body.modules.outline.modules) > len(layers)
        await session.press("P", "5", "g", "enter")
        assert session.title().startswith(LLAMA)
        assert len(session.desk.pins) == 2
        assert not session.desk.stale

    browsed(script)


def test_another_models_figures_are_not_shown_beside_it():
    """While the second model's run is rehearsed, its modules are there and the first one's shares are not."""

    async def script(session: Session) -> None:
        first = peak(session)
        session.behind.held = True
        session.app.open_model(type(session.desk.model)(reference=OTHER))
        await session.settle()
        (ticket, request), *later = session.behind.waiting
        session.behind.waiting[:] = [(ticket, request)]
        session.behind.release()
        session.behind.waiting[:] = later
        await session.settle()
        for view in "123456":
            await session.press(view)
            assert format_bytes(first) not in session.text()
        assert session.body.modules.marker.shares is None

    browsed(script)


def test_saved_runs_stand_beside_their_predictions(here: Path):
    save(make_record(), here / "one.json.xz")
    (here / "cut.json").write_text(f'{{"kind":"{KIND}", "labels": ')
    (here / "other.json").write_text("{}")
    run = make_record().measurement

    async def script(session: Session) -> None:
        await session.press("6")
        view = session.body.query_one(RunsView)
        text = session.text()
        assert "org/a_model[x]" in text
        assert "200.00 MiB" in text
        assert "204.00 MiB" in text
        assert "-4.00 MiB" in text
        assert "cut.json" in text
        assert "cannot be read" in text
        assert "other.json" not in text
        view.select("one.json.xz")
        await session.press("enter")
        assert session.desk.run.recipe == run.recipe
        assert not session.desk.stale
        assert session.desk.shown[1].plan.recipe.method == "full"

    browsed(script)


def test_a_saved_run_is_opened_without_a_model(here: Path):
    save(make_record(), here / "one.json")

    async def script(session: Session) -> None:
        assert len(session.app.screen_stack) == 1, "nothing is asked: what is to be seen was said"
        assert "org/a_model[x]" in session.text()
        await session.press("enter")
        assert any("Open a model first" in notice for notice in session.notified())
        await session.press("2", "right", "P", "X", "R", "3", "4", "5", "1", "t")
        assert session.desk_or_none is None

    browsed(script, model=None, records=(here / "one.json",), view="runs")


def test_a_digit_shows_a_view_even_where_a_number_is():
    async def script(session: Session) -> None:
        await choose(session, "seq_len", "3")
        assert session.body.query_one("#views", ContentSwitcher).current == "memory"
        assert session.desk.run.recipe.seq_len == 64
        await choose(session, "seq_len", "enter", "9", "6", "enter")
        assert session.desk.run.recipe.seq_len == 96

    browsed(script)


def test_a_click_in_compare_only_points():
    async def script(session: Session) -> None:
        await session.press("P")
        await choose(session, "seq_len", "right")
        await session.press("P", "5")
        now = session.desk.run
        columns = session.body.query_one(Columns)
        await session.click(columns, (30, 0))
        assert session.desk.run == now

    browsed(script)


def test_a_click_in_a_list_of_values_takes_the_one_that_is_pointed_at():
    async def script(session: Session) -> None:
        await choose(session, "method", "enter")
        values = session.app.screen.query_one(OptionList)
        await session.click(values, (4, 3))
        assert session.desk.run.recipe.method == METHODS[3]

    browsed(script)
