"""What is taken away from the interface is what the command line prints, to the byte."""

import shlex
import tomllib
from pathlib import Path

import click
import pytest
from made_backstage import LLAMA, Session, browsed
from textual.widgets import Label

from anatomy.cli import main
from anatomy.tui.backstage.requests import Failed, Rehearse
from anatomy.tui.exporting import SCREENSHOT, Exporting

pytestmark = pytest.mark.usefixtures("here")
AS_BEGUN = ("--batch-size", "1", "--seq-len", "64")
NAMES = ("command", "md", "json", "toml", "svg")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `anatomy ...` prints."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0
    return capsys.readouterr().out


async def take(session: Session, name: str) -> None:
    """Press X, and go to a line of the list."""
    await session.press("X")
    assert isinstance(session.app.screen, Exporting)
    await session.press("home", *["down"] * NAMES.index(name), "enter")


async def change(session: Session) -> None:
    """Some settings that nobody has by default."""
    for name, value in {
        "method": "qlora",
        "batch_size": 2,
        "optimizer": "adafactor",
        "max_grad_norm": 0.5,
    }.items():
        session.app.change(name, value)
    await session.settle()
    assert session.desk.shown is not None
    assert not session.desk.stale


@pytest.mark.parametrize(("name", "form", "file"), [("md", "md", "plan.md"), ("json", "json", "plan.json")])
@pytest.mark.parametrize("gpu", [None, "A100 80GB SXM"])
def test_reports_are_those_of_plan(here: Path, capsys, name, form, file, gpu):
    async def script(session: Session) -> None:
        await take(session, name)
        assert session.app.focused.value == file
        await session.press("enter")
        assert session.notified() == [file]

    browsed(script, gpu=gpu)
    on = () if gpu is None else ("--gpu", gpu)
    assert (here / file).read_text() == printed(capsys, "plan", LLAMA, *AS_BEGUN, *on, "--format", form)


def test_a_changed_runs_command_line_says_it_again(here: Path, capsys):
    left = []

    async def script(session: Session) -> None:
        await change(session)
        await take(session, "command")
        assert not isinstance(session.app.screen, Exporting)
        assert session.app.clipboard == session.app.left[0].strip()
        assert session.notified() == [session.app.clipboard]
        await take(session, "json")
        await session.press("enter")
        left.extend(session.app.left)

    app = browsed(script)
    (line,) = left
    assert app.left == left
    program, *arguments = shlex.split(line)
    assert program == "anatomy"
    assert (here / "plan.json").read_text() == printed(capsys, *arguments, "--format", "json")


def test_a_changed_runs_recipe_file_says_it_again(here: Path, capsys):
    async def script(session: Session) -> None:
        await change(session)
        await take(session, "toml")
        await session.press("enter")
        await take(session, "json")
        await session.press("enter")

    browsed(script)
    assert tomllib.loads((here / "recipe.toml").read_text())
    again = printed(capsys, "plan", LLAMA, "--recipe", "recipe.toml", "--format", "json")
    assert (here / "plan.json").read_text() == again


def test_the_picture_is_of_the_screen_under_the_list(here: Path):
    async def script(session: Session) -> None:
        await session.press("5")
        await take(session, "svg")
        assert session.app.focused.value == SCREENSHOT
        await session.press("enter")

    browsed(script)
    picture = (here / SCREENSHOT).read_text()
    assert picture.startswith("<svg")
    assert "Nothing&#160;is&#160;pinned&#160;yet" in picture
    assert "Take&#160;away" not in picture


def test_another_file_and_one_that_cannot_be_written(here: Path):
    async def script(session: Session) -> None:
        await take(session, "md")
        session.app.focused.value = "nowhere/plan.md"
        await session.press("enter")
        assert isinstance(session.app.screen, Exporting)
        said = str(session.app.screen.query_one("#said", Label).render())
        assert said == "nowhere/plan.md cannot be written: No such file or directory."
        assert "nowhere/plan.md cannot be written" in session.text()
        session.app.focused.value = "[mine].md"
        await session.press("enter")
        assert session.notified() == ["[mine].md"]
        await take(session, "svg")
        session.app.focused.value = "nowhere/anatomy.svg"
        await session.press("enter")
        assert session.notified()[-1] == "nowhere/anatomy.svg cannot be written: No such file or directory."

    browsed(script)
    assert (here / "[mine].md").read_text().startswith("# ")


def test_without_an_answer_recipe_and_command_can_be_taken_all_the_same(here: Path):
    async def script(session: Session) -> None:
        await session.press("X")
        options = session.app.screen.query_one("OptionList")
        assert [options.get_option(name).disabled for name in NAMES] == [False, True, True, False, False]
        await session.press("escape")
        assert not isinstance(session.app.screen, Exporting)
        await session.press("X", "home", "enter")

    app = browsed(script, before=lambda behind: behind.answers.update({Rehearse: Failed(message="no")}))
    assert app.left == [f"anatomy plan {LLAMA} --batch-size 1 --seq-len 64\n"]


def test_what_no_flag_can_say_is_said(here: Path):
    async def script(session: Session) -> None:
        session.app.change("optim_target_modules", r".*q_proj")
        await session.settle()
        if session.desk.run.recipe.optim_target_modules != r".*q_proj":
            session.app.change("optimizer", "galore_adamw")
            session.app.change("optim_target_modules", r".*q_proj")
            await session.settle()
        await take(session, "command")
        assert isinstance(session.app.screen, Exporting)
        assert "No flag can say" in session.text()

    browsed(script)


def test_the_command_line_prints_what_was_copied(monkeypatch, capsys):
    """`anatomy browse`, as it is called, with nobody at the keys."""
    from anatomy.cli import browse

    ran = []

    def run(app) -> None:
        ran.append(app)
        app.left.append("anatomy plan m\n")

    monkeypatch.setattr(browse, "is_terminal", lambda stream: True)
    monkeypatch.setattr("anatomy.tui.app.BrowseApp.run", run)
    assert printed(capsys, "browse", LLAMA, "--r", "8", "--gpu", "rtx 4090") == "anatomy plan m\n"
    (app,) = ran
    assert app._first_run.recipe.r == 8
    assert app._first_run.chosen == {"r"}
    assert app._first_run.gpu == "RTX 4090"
    assert isinstance(browse.command, click.Command)
