"""The interface as a whole, over real answers about a tiny model: what every key does that works everywhere."""

import pytest
from made_backstage import LLAMA, Behind, Session, browsed
from textual.command import CommandPalette
from textual.widgets import ContentSwitcher

from anatomy.tui.backstage.requests import Failed, Rehearse, Show
from anatomy.tui.compare.view import Columns
from anatomy.tui.desk import Run
from anatomy.tui.exporting import Exporting
from anatomy.tui.gpus.table import Rows
from anatomy.tui.memory.chart import MemoryChart
from anatomy.tui.picker import Picker
from anatomy.tui.recipe.form import RecipeForm
from anatomy.tui.runs.view import List
from anatomy.tui.tree.widget import ModuleTree
from anatomy.tui.views import VIEWS
from anatomy.units import format_bytes

pytestmark = pytest.mark.usefixtures("here")
FOCUSED = {
    "model": ModuleTree,
    "recipe": RecipeForm,
    "memory": MemoryChart,
    "gpus": Rows,
    "compare": Columns,
    "runs": List,
}
"""View -> what has the keys in it."""
SIZES = [(80, 24), (160, 48)]


def shown(session: Session) -> str:
    """The view that is seen."""
    body = session.body
    if body.has_class("-recipe") and isinstance(session.app.focused, RecipeForm):
        return "recipe"
    return body.query_one("#views", ContentSwitcher).current or ""


@pytest.mark.parametrize("size", SIZES)
def test_every_view_by_its_key(size):
    async def script(session: Session) -> None:
        for key, name, _ in VIEWS:
            await session.press(key)
            assert shown(session) == name
            assert isinstance(session.app.focused, FOCUSED[name])
            assert session.app.focused.region.area > 0, "it is seen"

    browsed(script, size=size)


@pytest.mark.parametrize("size", SIZES)
def test_every_view_by_a_click(size):
    async def script(session: Session) -> None:
        for _, name, title in reversed(VIEWS):
            column = session.text().splitlines()[0].index(f" {title} ") + 1
            await session.click("#menu", (column, 0))
            assert shown(session) == name

    browsed(script, size=size)


def test_help_and_quit_by_a_click():
    async def script(session: Session) -> None:
        column = session.text().splitlines()[0].index("? help")
        await session.click("#menu", (column, 0))
        assert session.app.screen.query("HelpPanel")
        await session.click("#menu", (column + len("? help  "), 0))

    app = browsed(script)
    assert not app.is_running


def test_the_answer_is_the_plans_own():
    async def script(session: Session) -> None:
        plan = session.desk.shown[1].plan
        assert session.title() == f"{LLAMA}: lora r 16, bf16, 1 × 64 tokens"
        text = session.text()
        for size in (
            plan.footprint.peak_allocated_bytes,
            plan.footprint.peak_reserved_bytes,
            plan.device_bytes,
        ):
            assert format_bytes(size) in text
        assert f"Fits on {plan.smallest_fit.gpu}" in text

    browsed(script)


@pytest.mark.parametrize("size", SIZES)
def test_help_lists_the_keys_and_goes_again(size):
    async def script(session: Session) -> None:
        await session.press("question_mark")
        panel = session.app.screen.query_one("HelpPanel")
        assert panel.region.area > 0
        assert "Unfold" in session.text()
        table = "\n".join(str(cell) for cell in panel.query_one("BindingsTable").render().columns[1]._cells)
        for word in ("Pin", "Export", "Light or dark", "Ask again", "Heaviest"):
            assert word in table
        await session.press("question_mark")
        assert not session.app.screen.query("HelpPanel")

    browsed(script, size=size)


def test_light_and_dark():
    async def script(session: Session) -> None:
        assert session.app.theme == "textual-dark"
        await session.press("T")
        assert session.app.theme == "textual-light"
        await session.press("T")
        assert session.app.theme == "textual-dark"

    browsed(script)


def test_q_leaves_at_once_even_while_something_is_rehearsed():
    async def script(session: Session) -> None:
        assert session.desk.shown is None
        assert session.app.conversation.busy
        await session.pilot.press("q")

    def hold(behind: Behind) -> None:
        behind.held = True

    app = browsed(script, before=hold)
    assert not app.is_running
    assert isinstance(app.backstage, Behind)
    assert app.backstage.closed
    assert app.return_code == 0


def test_the_frame_is_there_before_anything_is_known():
    async def script(session: Session) -> None:
        text = session.text()
        assert " 1 Model " in text
        assert "rehearsing the training step" in text
        for key, name, _ in VIEWS:
            await session.press(key)
            assert shown(session) == name
        session.behind.release()
        session.behind.held = False
        await session.settle()
        await session.press("1")
        assert "LlamaForCausalLM" in session.text()
        assert "rehearsing" not in session.text()

    browsed(script, before=lambda behind: setattr(behind, "held", True))


def test_the_palette_has_every_view_and_what_is_done_with_an_answer():
    async def script(session: Session) -> None:
        commands = {command.title: command for command in session.app.get_system_commands(session.app.screen)}
        for _, name, title in VIEWS:
            commands[title].callback()
            await session.settle()
            assert shown(session) == name
        commands["Pin this run"].callback()
        assert len(session.desk.pins) == 1
        commands["Export"].callback()
        await session.settle()
        assert isinstance(session.app.screen, Exporting)
        await session.press("escape")
        commands["Open another model"].callback()
        await session.settle()
        assert isinstance(session.app.screen, Picker)
        await session.press("escape")
        await session.press("ctrl+p")
        assert isinstance(session.app.screen, CommandPalette)
        await session.type("memory")
        assert "Show the view: Memory" in session.text()
        await session.press("escape")

    browsed(script)


def test_asked_again_a_run_is_rehearsed_again():
    async def script(session: Session) -> None:
        assert len(session.behind.rehearsed()) == 1
        await session.press("R")
        assert len(session.behind.rehearsed()) == 2
        assert session.behind.rehearsed()[0] == session.behind.rehearsed()[1]
        assert not session.desk.stale

    browsed(script)


def test_a_model_that_cannot_be_shown_is_said():
    broken = Failed(message="There is no model [here].", hint="look [elsewhere]")

    async def script(session: Session) -> None:
        assert broken.message in session.notified()
        assert broken.message in session.text()
        assert not session.app.conversation.busy
        for key, name, _ in VIEWS:
            await session.press(key)
            assert shown(session) == name

    browsed(script, before=lambda behind: behind.answers.update({Show: broken, Rehearse: broken}))


def test_a_rehearsal_that_fails_is_a_sentence_with_its_hint():
    failure = Failed(message="This model [x] cannot be run.", hint="try another [y]")

    async def script(session: Session) -> None:
        text = session.text()
        assert failure.message in text
        assert "try another [y]" in text
        assert "LlamaForCausalLM" in text, "the modules are there all the same"
        session.behind.answers.clear()
        await session.press("R")
        assert failure.message not in session.text()
        assert not session.desk.stale

    browsed(script, before=lambda behind: behind.answers.update({Rehearse: failure}))


def test_a_model_that_is_missing_says_so_in_the_librarys_words(here):
    async def script(session: Session) -> None:
        (notice,) = session.notified()
        assert "./nowhere" in notice
        assert session.desk.failure.message == notice

    browsed(script, model="./nowhere")


def test_a_run_begins_as_it_is_asked_for():
    async def script(session: Session) -> None:
        run: Run = session.desk.run
        assert (run.recipe.batch_size, run.recipe.seq_len, run.gpu) == (1, 64, "A100 80GB SXM")
        assert session.title().endswith("on A100 80GB SXM")
        assert session.desk.shown[1].plan.fits[0].gpu == "A100 80GB SXM"

    browsed(script, gpu="A100 80GB SXM")
