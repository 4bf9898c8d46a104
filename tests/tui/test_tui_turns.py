"""Keys that come in one burst: each goes to whoever has the keys once the one before is dealt with."""

import asyncio

import pytest
from made_backstage import LLAMA, Session, browsed
from textual import events
from textual.app import ComposeResult
from textual.widgets import Input

from anatomy.tui.exporting import Exporting
from anatomy.tui.picker import Picker
from anatomy.tui.turns import PATIENCE, KeysInTurn

pytestmark = pytest.mark.usefixtures("here")
NAMES = {"/": "slash", "⏎": "enter", "⎋": "escape", "_": "underscore"}


async def burst(session: Session, text: str) -> None:
    """All keys at once, as a terminal delivers what is pasted or typed ahead."""
    for letter in text:
        session.app.post_message(events.Key(NAMES.get(letter, letter), None if letter in "⏎⎋" else letter))
    for _ in range(20):
        await session.pilot.pause()
    await session.settle()


def test_what_follows_a_slash_is_searched():
    async def script(session: Session) -> None:
        pane = session.body.query_one("ModulePane")
        await burst(session, "/q_proj")
        assert session.app.is_running, "q quits, but not in a search"
        assert pane.query_one(Input).value == "q_proj"
        await burst(session, "⎋/v_proj⏎hh")
        assert pane.query_one(Input).value == "v_proj", "what follows enter is the tree's again"
        assert session.body.modules.row.place.endswith("self_attn")
        assert session.desk.model.reference == LLAMA

    browsed(script)


def test_what_follows_a_views_key_is_that_views():
    async def script(session: Session) -> None:
        await burst(session, "2jl")
        assert session.desk.run.recipe.r == 32
        await burst(session, "1jj")
        assert session.body.modules.at == 2

    browsed(script)


def test_a_dialog_closes_once_however_often_enter_is_pressed():
    async def script(session: Session) -> None:
        await session.press("X")
        assert isinstance(session.app.screen, Exporting)
        screen = session.app.screen
        screen.dismiss()
        screen.dismiss()
        await session.settle()
        await burst(session, "X")
        await burst(session, "⏎⏎⏎")
        assert session.app.is_running
        assert len(session.app.left) == 1
        await burst(session, "O")
        assert isinstance(session.app.screen, Picker)
        await burst(session, "⎋⎋⎋")
        assert len(session.app.screen_stack) == 1

    browsed(script)


def test_a_key_whose_widget_goes_holds_up_nobody():
    class Going(KeysInTurn):
        def compose(self) -> ComposeResult:
            yield Input()

        def on_input_changed(self, event: Input.Changed) -> None:
            event.input.remove()

        def on_key(self, event: events.Key) -> None:
            heard.append(event.key)

    heard: list[str] = []

    async def go() -> None:
        app = Going()
        async with app.run_test() as pilot:
            await pilot.press("a")
            await asyncio.sleep(2 * PATIENCE)
            await pilot.press("b")
            await pilot.pause()
            assert heard == ["b"]

    asyncio.run(go())
