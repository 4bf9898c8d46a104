"""What stands behind the interface in tests: real answers about tiny models, worked out once, given when a test lets it."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static
from tiny_models import TINY_LLAMA

from anatomy.api.studio import Studio
from anatomy.errors import AnatomyError
from anatomy.planning.settings import make_recipe
from anatomy.profiling.record import load
from anatomy.tui.app import BrowseApp
from anatomy.tui.backstage.requests import (
    Answer,
    Doing,
    Failed,
    ModelAsked,
    OpenRecord,
    Planned,
    Rehearse,
    Reply,
    Request,
    Show,
)
from anatomy.tui.body import Body
from anatomy.tui.desk import Run
from anatomy.tui.runs.saved import saved_run

LLAMA, OTHER = "./tiny_llama", "./other_llama"
"""The models of `models`, as they are typed in the folder that it makes."""


def models(folder: Path) -> None:
    """Two models in a folder: one of two layers, one of three."""
    for name, layers in ((LLAMA, 2), (OTHER, 3)):
        (folder / name).mkdir()
        config = {**TINY_LLAMA, "num_hidden_layers": layers}
        (folder / name / "config.json").write_text(json.dumps(config))


_STUDIOS: dict[str, Studio] = {}
_ANSWERS: dict[Any, Any] = {}


def answered(request: Request) -> Any:
    """What the process behind answers; models are told apart by the names they are typed by."""
    try:
        if isinstance(request, OpenRecord):
            return saved_run(request.path, load(Path(request.path)))
        studio = _STUDIOS.setdefault(request.model.reference, Studio(request.model.reference))
        if isinstance(request, Show):
            key: Any = request.model.reference
            if key not in _ANSWERS:
                _ANSWERS[key] = studio.show()
            return _ANSWERS[key]
        key = request.model.reference, Run(recipe=request.recipe, chosen=request.chosen, gpu=request.gpu).key
        if key not in _ANSWERS:
            plan = studio.plan(request.recipe, chosen=request.chosen, gpu=request.gpu)
            _ANSWERS[key] = Planned(plan=plan, modules=plan.modules)
        return _ANSWERS[key]
    except AnatomyError as error:
        return Failed(message=error.message, hint=error.hint)


class Behind:
    """Answers at once; or, while `held`, says what it does and waits for `release`."""

    def __init__(self, deliver: Callable[[Reply], None]) -> None:
        self._deliver = deliver
        self._ticket = 0
        self.waiting: list[tuple[int, Request]] = []
        self.asked: list[Request] = []
        self.held = False
        self.started = self.closed = False
        self.answers: dict[type[Request], Any] = {}
        """Kind of request -> what is answered in place of the truth."""

    def start(self) -> None:
        self.started = True

    def close(self) -> None:
        self.closed = True
        self.drop()

    def drop(self) -> None:
        self.waiting.clear()

    def ask(self, request: Request) -> int:
        self._ticket += 1
        self.asked.append(request)
        self.waiting.append((self._ticket, request))
        if self.held:
            self._deliver(Doing(ticket=self._ticket, text="rehearsing the training step"))
        else:
            self.release()
        return self._ticket

    def release(self) -> None:
        """Answer what waits."""
        while self.waiting:
            ticket, request = self.waiting.pop(0)
            value = self.answers[type(request)] if type(request) in self.answers else answered(request)
            self._deliver(Answer(ticket=ticket, value=value))

    def rehearsed(self) -> list[Rehearse]:
        """The runs that were asked for."""
        return [request for request in self.asked if isinstance(request, Rehearse)]


class Session:
    """The interface over a fake backstage, and a hand on its keys."""

    def __init__(self, app: BrowseApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def behind(self) -> Behind:
        assert isinstance(self.app.backstage, Behind)
        return self.app.backstage

    @property
    def desk(self) -> Any:
        assert self.app.desk is not None
        return self.app.desk

    @property
    def desk_or_none(self) -> Any:
        return self.app.desk

    @property
    def body(self) -> Body:
        return self.app.body

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until all that follows from them is done."""
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str) -> None:
        """Type into a line that is empty."""
        await self.press(*(_KEYS.get(letter, letter) for letter in text))

    async def click(self, where: Any, offset: tuple[int, int] = (0, 0)) -> None:
        await self.pilot.click(where, offset=offset)
        await self.settle()

    async def settle(self) -> None:
        """Until nothing is asked for that could be answered."""
        for _ in range(200):
            await self.pilot.pause()
            pause = self.app._pause
            resting = pause is None or pause._task is None or pause._task.done()
            if resting and (self.behind.held or not self.app.conversation.busy):
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("the interface does not come to rest")
        await self.pilot.pause()

    def text(self, *, screen: Any = None) -> str:
        """What is on the screen, line by line."""
        shown = screen or self.app.screen
        width, height = shown.size
        lines = shown._compositor.render_strips(shown.size)
        assert len(lines) == height
        return "\n".join("".join(segment.text for segment in line)[:width].rstrip() for line in lines)

    def title(self) -> str:
        return str(self.app.screen_stack[0].query_one("#title", Static).render())

    def notified(self) -> list[str]:
        return [notice.message for notice in self.app._notifications]


_KEYS = {
    "/": "slash",
    ".": "full_stop",
    "-": "minus",
    "_": "underscore",
    " ": "space",
    "[": "left_square_bracket",
}
Script = Callable[[Session], Coroutine[Any, Any, None]]


def browsed(
    script: Script,
    *,
    model: str | None = LLAMA,
    size: tuple[int, int] = (160, 48),
    gpu: str | None = None,
    before: Callable[[Behind], None] = lambda behind: None,
    **options: Any,
) -> BrowseApp:
    """Run a script over the interface, as `anatomy browse MODEL --batch-size 1 --seq-len 64` begins it."""
    recipe = make_recipe({"batch_size": 1, "seq_len": 64})
    asked = None if model is None else ModelAsked(reference=model)
    run = Run(recipe=recipe, chosen=frozenset({"batch_size", "seq_len"}), gpu=gpu)

    def process(deliver: Callable[[Reply], None]) -> Behind:
        behind = Behind(deliver)
        before(behind)
        return behind

    app = BrowseApp(asked, run, process=process, **options)
    app.animation_level = "none"

    async def go() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            session = Session(app, pilot)
            await session.settle()
            await script(session)

    asyncio.run(go())
    return app
