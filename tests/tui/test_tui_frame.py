"""The terminal around the interface: colour or none, the ways out, what the title says."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from made_backstage import LLAMA, Session, browsed
from rich.console import Console
from rich.segment import Segments
from textual.color import Color

from anatomy.tui.views import VIEWS, headline

pytestmark = pytest.mark.usefixtures("here")
COLOURS = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[\d;]*)?m")
"""Escapes that set a colour; 39 and 49 are the terminal's own."""


def sent(session: Session) -> str:
    """What the terminal is sent for the screen as it is."""
    screen, background = session.app.screen, Color.parse("black")
    console = Console(file=StringIO(), force_terminal=True, color_system="truecolor", width=screen.size.width)
    for line in screen._compositor.render_strips(screen.size):
        for filter_ in session.app.get_line_filters():
            line = line.apply_filter(filter_, background)
        console.print(Segments(line), end="")
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_without_colour_no_colour_is_sent_and_the_cursor_is_turned_round(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    async def script(session: Session) -> None:
        await session.press("P")
        for key, name, _ in VIEWS:
            await session.press(key)
            assert not COLOURS.findall(sent(session)), name
            if name != "runs":  # nothing is in it
                assert re.search(r"\x1b\[(?:\d;)*7[;m]", sent(session).partition("q quit")[2]), name

    browsed(script)


def test_an_empty_wish_for_no_colour_is_none(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")

    async def script(session: Session) -> None:
        assert not session.app.no_color
        assert COLOURS.findall(sent(session))

    browsed(script)


def test_control_and_c_says_how_to_leave():
    async def script(session: Session) -> None:
        await session.press("1", "ctrl+c")
        assert session.notified() == ["q quits."]
        assert session.app.is_running

    browsed(script)


@pytest.mark.parametrize("key", ["P", "X"])
def test_without_a_model_a_key_says_so(key: str):
    async def script(session: Session) -> None:
        await session.press("escape", key)
        assert session.notified() == ["No model is open: O opens one."]

    browsed(script, model=None)


def test_notices_leave_the_answer_alone():
    async def script(session: Session) -> None:
        answer = session.body.query_one("AnswerPanel").region
        session.app.clear_notifications()
        await session.press("P")
        (notice,) = session.app.screen.query("Toast")
        assert not notice.region.overlaps(answer)
        assert notice.region.height <= 2

    browsed(script)


def test_the_title_says_the_run_as_it_is_planned():
    async def script(session: Session) -> None:
        run, planned = session.desk.shown
        shorter = replace(planned.plan, recipe=replace(planned.plan.recipe, seq_len=32))
        session.desk.shown = run, replace(planned, plan=shorter)
        assert headline(session.desk, "") == f"{LLAMA}: lora r 16, bf16, 1 × 32 tokens"
        session.desk.change("seq_len", 48)
        assert "1 × 48 tokens" in headline(session.desk, ""), "until there is an answer, as it is asked"

    browsed(script)
