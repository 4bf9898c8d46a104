"""Which model: the catalog, this folder, a name that is typed, a saved run; or none."""

from pathlib import Path

import pytest
from made_backstage import LLAMA, OTHER, Session, browsed
from made_records import make_record
from textual.widgets import Input, OptionList

from anatomy import api
from anatomy.api import AtHand
from anatomy.profiling.record import save
from anatomy.tui.picker import Picker, offers
from anatomy.tui.runs.view import RunsView

pytestmark = pytest.mark.usefixtures("here")


async def listed(session: Session) -> OptionList:
    """The list, once it is filled."""
    assert isinstance(session.app.screen, Picker)
    await session.app.workers.wait_for_complete()
    await session.settle()
    return session.app.screen.query_one(OptionList)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_without_a_model_there_is_a_list(size):
    async def script(session: Session) -> None:
        options = await listed(session)
        catalog = api.models()
        assert options.option_count >= len(catalog) + 2
        text = session.text()
        assert LLAMA in text
        assert OTHER in text
        assert "this folder" in text
        assert catalog[0].id in [option.id.partition(":")[2] for option in options.options]

    browsed(script, model=None, size=size)


def test_a_folder_is_opened():
    async def script(session: Session) -> None:
        await listed(session)
        await session.type("other")
        assert session.app.screen.query_one(OptionList).option_count >= 1
        await session.press("enter")
        assert not isinstance(session.app.screen, Picker)
        assert session.title().startswith(f"{OTHER}: ")
        assert "LlamaForCausalLM" in session.text()

    browsed(script, model=None)


def test_a_click_opens_too():
    async def script(session: Session) -> None:
        options = await listed(session)
        await session.type("tiny_llama")

        await session.click(options, (2, 0))
        assert session.title().startswith(f"{LLAMA}: ")

    browsed(script, model=None)


def test_what_is_typed_is_opened_and_the_pins_stay():
    async def script(session: Session) -> None:
        await session.press("P", "O")
        await listed(session)
        await session.type("./other_llama")
        await session.press("enter")
        assert session.desk.model.reference == OTHER
        assert len(session.desk.pins) == 1
        assert not session.desk.stale

    browsed(script)


def test_a_catalog_model_is_asked_for_by_its_id():
    async def script(session: Session) -> None:
        await listed(session)
        session.behind.held = True
        await session.type("llama-3.1-8b")
        options = session.app.screen.query_one(OptionList)
        references = [option.id.partition(":")[2] for option in options.options]
        assert all("llama-3.1-8b" in reference.lower() for reference in references)
        await session.press("enter")
        assert [request.model.reference for request in session.behind.asked] == [references[0]] * 2

    browsed(script, model=None)


def test_closed_it_leaves_everything_as_it_was():
    async def script(session: Session) -> None:
        await session.press("O")
        await listed(session)
        await session.press("escape")
        assert session.desk.model.reference == LLAMA
        assert len(session.behind.rehearsed()) == 1

    browsed(script)


@pytest.mark.slow
def test_closed_without_a_model_every_key_does_nothing_and_o_opens_again():
    async def script(session: Session) -> None:
        await listed(session)
        await session.press("escape")
        for view in "123456":
            await session.pilot.press(view, *"PXRjkgGtsxbHpEC", "enter", "right", "left", "escape")
            while len(session.app.screen_stack) > 1:
                await session.press("escape")
        assert session.desk_or_none is None
        await session.press("1", "O")
        await listed(session)

    browsed(script, model=None)


def test_a_saved_run_is_opened_where_runs_are_seen(here: Path):
    (here / "runs").mkdir()
    for path in (here / "a.json", here / "runs" / "[one].json.xz"):
        save(make_record(), path)

    async def script(session: Session) -> None:
        await listed(session)
        assert "saved run" in session.text()
        session.app.screen.query_one(Input).value = "runs/[one].json.xz"
        await session.settle()
        await session.press("enter")
        view = session.body.query_one(RunsView)
        assert view.selected.path == "runs/[one].json.xz"
        assert session.desk_or_none is None
        assert session.notified() == []

    browsed(script, model=None)


def test_empty_enter_chooses_nothing():
    async def script(session: Session) -> None:
        await listed(session)
        await session.press("enter")
        assert isinstance(session.app.screen, Picker)

    browsed(script, model=None)


FOUND = (
    AtHand(kind="folder", reference="./tiny", note="config.json"),
    AtHand(kind="catalog", reference="org/tiny-base", note="1 M parameters"),
    AtHand(kind="catalog", reference="org/tiny", note="1 M parameters"),
)


@pytest.mark.parametrize(
    ("typed", "references"),
    [
        ("", ["./tiny", "org/tiny-base", "org/tiny"]),
        ("base", ["org/tiny-base", "base"]),
        ("org/tiny", ["org/tiny", "org/tiny-base"]),
        ("org/ti", ["org/ti", "org/tiny-base", "org/tiny"]),
        ("elsewhere", ["elsewhere"]),
    ],
)
def test_the_likeliest_is_offered_first(typed: str, references: list[str]):
    """A name of its own is never taken for one that it is a part of."""
    assert [offer.reference for offer in offers(FOUND, typed)] == references


def test_arrows_choose_while_the_keys_stay_in_the_text():
    async def script(session: Session) -> None:
        options = await listed(session)
        assert options.highlighted is None
        await session.press("down", "down", "up")
        assert options.highlighted == 0
        assert isinstance(session.app.focused, Input)
        await session.type("llama")
        assert options.highlighted == 0
        await session.press("up")
        assert options.highlighted == options.option_count - 1, "round the end"

    browsed(script, model=None)
