"""Every view as a picture, held against one that was looked at: `ANATOMY_REFRESH=1 pytest tests/tui/test_tui_snapshots.py`
writes them anew. And what no size and no name may do to them."""

import os
import random
import re
import shlex
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from made_backstage import LLAMA, Behind, Session, answered, browsed
from made_records import make_record
from textual.widgets import Input

from anatomy.api import AtHand
from anatomy.architecture.tree import ModuleNode
from anatomy.memory.allocator import replay
from anatomy.planning.settings import make_recipe
from anatomy.profiling.record import save
from anatomy.tui.backstage.requests import ModelAsked, Planned, Rehearse, Show
from anatomy.tui.memory.view import MemoryView
from anatomy.tui.views import VIEWS

pytestmark = pytest.mark.usefixtures("here")
SNAPSHOTS = Path(__file__).with_name("snapshots")
REFRESH = bool(os.environ.get("ANATOMY_REFRESH"))
SIZES = [(80, 24), (160, 48)]
THEMES = ("textual-dark", "textual-light")
SHOTS = (*(name for _, name, _ in VIEWS), "picker", "export")


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the terminal says that the tests run in."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm-256color", "COLORTERM": "truecolor"}.items():
        monkeypatch.setenv(name, value)


def normal(svg: str) -> str:
    """Without what varies: textual numbers its classes by a checksum of the content."""
    return re.sub(r"terminal-\d+", "terminal-0", svg)


def snapshot(session: Session, name: str) -> None:
    """Compare the screen with its picture, or write it."""
    picture = normal(session.app.export_screenshot())
    file = SNAPSHOTS / f"{name}.svg"
    if REFRESH:
        SNAPSHOTS.mkdir(exist_ok=True)
        file.write_text(picture, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == picture, f"{name} looks otherwise"


@pytest.mark.parametrize(
    "theme", [THEMES[0], *(pytest.param(theme, marks=pytest.mark.slow) for theme in THEMES[1:])]
)
@pytest.mark.parametrize("size", SIZES, ids=["80x24", "160x48"])
def test_every_view_looks_as_it_did(here: Path, size: tuple[int, int], theme: str, monkeypatch):
    save(make_record(), here / "one.json")
    monkeypatch.setattr("anatomy.api.at_hand", lambda: AT_HAND, raising=False)

    async def script(session: Session) -> None:
        session.app.theme = theme
        await session.press("P")
        session.app.change("method", "full")
        await session.settle()
        await session.press("P")
        session.app.clear_notifications()
        wrong = []
        for shot in SHOTS:
            await show(session, shot)
            try:
                snapshot(session, f"{shot}-{size[0]}x{size[1]}-{theme.removeprefix('textual-')}")
            except (AssertionError, FileNotFoundError) as error:
                wrong.append(str(error).splitlines()[0])
            if len(session.app.screen_stack) > 1:
                await session.press("escape")
        assert not wrong

    browsed(script, size=size)


AT_HAND = (
    AtHand(kind="run", reference="one.json", note="saved run"),
    AtHand(kind="folder", reference=LLAMA, note="config.json"),
    AtHand(kind="cache", reference="org/a_model[x]", note="in the cache"),
    AtHand(kind="catalog", reference="org/another_model", note="8.03 B parameters"),
)


async def show(session: Session, shot: str) -> None:
    keys = {name: key for key, name, _ in VIEWS}
    if shot in keys:
        await session.press(keys[shot])
        return
    await session.press("1", {"picker": "O", "export": "X"}[shot])
    await session.app.workers.wait_for_complete()
    for line in session.app.screen.query(Input):
        line.cursor_blink = False
        line._cursor_visible = True
    await session.settle()


def places(session: Session) -> tuple[Any, ...]:
    """What somebody has done: the run, the row, the instant."""
    memory = session.body.query_one(MemoryView)
    tree = session.body.modules
    return session.desk.run, session.desk.stale, tree.row, memory.chart.index, memory.chart.window


@pytest.mark.slow
def test_thirty_sizes_leave_everything_as_it_was():
    dice = random.Random(6)
    sizes = [(20, 6), (250, 80), (20, 80), (250, 6)]
    sizes += [(dice.randint(20, 250), dice.randint(6, 80)) for _ in range(26)]

    async def script(session: Session) -> None:
        await session.press("P", "j", "j", "j", "enter", "3", "left", "left", "1")
        session.app.clear_notifications()
        texts = []
        before = places(session)
        for _, name, _ in VIEWS:
            session.app.action_view(name)
            await session.settle()
            texts.append(session.text())
        for number, size in enumerate(sizes):
            await session.pilot.resize_terminal(*size)
            assert session.app.screen.size == size
            for _, name, _ in VIEWS if number < 4 else (VIEWS[number % 6], VIEWS[(number + 3) % 6]):
                session.app.action_view(name)
                await session.pilot.pause()
                assert name == "recipe" or session.app.focused is not None
        await session.pilot.resize_terminal(160, 48)
        assert places(session) == before
        for (_, name, _), text in zip(VIEWS, texts, strict=True):
            session.app.action_view(name)
            await session.settle()
            assert session.text() == text

    browsed(script)


@cache
def long(segment: str) -> str:
    """A name of 300 characters with everything in it that is no plain text to somebody."""
    return segment + ("[red]" + "[/]" + "[x" + "]\\[" + "@click=quit()" + "x" * 300)[: 300 - len(segment)]


def long_path(path: str) -> str:
    return ".".join(
        long(part) if part in ("self_attn", "q_proj", "mlp", "lm_head") else part for part in path.split(".")
    )


def long_tree(node: ModuleNode) -> ModuleNode:
    return replace(
        node, path=long_path(node.path), kind=f"{node.kind}[b]", children=tuple(map(long_tree, node.children))
    )


MODEL = ("org/[bold]name[/bold]" + "n" * 200)[:200]


def long_answers(behind: Behind) -> None:
    """The tiny model's answers, under long names."""
    asked = ModelAsked(reference=LLAMA)
    anatomy = answered(Show(model=asked))
    plan = answered(
        Rehearse(model=asked, recipe=make_recipe({"seq_len": 64}), chosen=frozenset(), gpu=None)
    ).plan
    timeline = plan.replay.timeline
    blocks = tuple(replace(block, module=long_path(block.module)) for block in timeline.blocks)
    named = replace(
        plan,
        model=replace(plan.model, id=MODEL),
        replay=replay(replace(timeline, blocks=blocks)),
        warnings=(long("warning"),),
    )
    shares = {long_path(path): share for path, share in plan.modules.items()}
    behind.answers[Show] = replace(anatomy, id=MODEL, tree=long_tree(anatomy.tree))
    behind.answers[Rehearse] = Planned(plan=named, modules=shares)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=["80x24", "160x48"])
def test_long_names_and_brackets_are_text(here: Path, size: tuple[int, int]):
    async def script(session: Session) -> None:
        await session.press("P", "E", "G")
        for key, *_ in VIEWS:
            await session.press(key)
            assert session.app.is_running
            assert len(session.app.screen_stack) == 1
            lines = session.text().splitlines()
            assert len(lines) == size[1] or not lines[-1]
            assert " 1 Model " in lines[0]
            assert lines[1].startswith(f" {MODEL[:40]}"), "the brackets are there"
        await session.press("1", "slash")
        await session.type("q_proj")
        await session.press("enter")
        assert "q_proj[red]" in session.body.modules.row.path
        assert "q_proj" in session.text()
        await session.press("t", "O", "escape", "X")
        await session.press("home", "enter")
        assert shlex.split(session.app.left[0])[:3] == ["anatomy", "plan", MODEL]
        assert session.notified()[-1] == session.app.left[0].strip()

    browsed(script, model=MODEL, size=size, before=long_answers)
