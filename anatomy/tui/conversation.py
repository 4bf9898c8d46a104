"""Who is asked what, and when: between the desk and the process behind the interface."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from anatomy.tui.backstage.requests import Answer, Failed, OpenRecord, Planned, Rehearse, Reply, Request, Show
from anatomy.tui.desk import Desk, Run

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.tui.runs.saved import SavedRun


class Process(Protocol):
    """What is asked of `Backstage`."""

    def start(self) -> None:
        """Begin; requests wait for it."""

    def close(self) -> None:
        """End everything, at once."""

    def ask(self, request: Request) -> int:
        """Put a request behind the others; its ticket."""

    def drop(self) -> None:
        """Give up all that is under way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelKnown:
    """The model is taken apart, or cannot be."""

    value: "Anatomy | Failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunKnown:
    """A run's answer has come; the desk has it."""

    run: Run


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordKnown:
    """A saved run is read, or cannot be."""

    path: str
    value: "SavedRun | Failed"


Event = ModelKnown | RunKnown | RecordKnown


class Conversation:
    """Asks one thing after the other; what is not wanted any more is given up, unless what is wanted can use it."""

    def __init__(self, process: Process, desk: Desk | None = None) -> None:
        self._process = process
        self._desk = desk
        self._open: dict[int, tuple[Request, Run | None]] = {}
        self.doing = ""
        """What is being done, in words; '' where nothing is."""

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._open)

    def take_up(self, desk: Desk) -> None:
        """Another model: give up what concerns the one before, ask what this one is made of, then for its run."""
        self._give_up(Rehearse, Show)
        self._desk = desk
        self._ask(Show(model=desk.model))
        self.settle()

    def settle(self) -> None:
        """Ask for the run that is on the desk, if its answer is not there and not on its way."""
        request = self._desk.next_request() if self._desk is not None else None
        if request is None or self._desk is None:
            return
        wanted = self._desk.run
        under_way = [run for _, run in self._open.values() if run is not None]
        if any(run.key == wanted.key for run in under_way):
            return
        if any(run.same_but_for_optimizer(wanted) and run.gpu == wanted.gpu for run in under_way):
            return  # its forward and backward serve both: asked once they are there
        if under_way:
            self._give_up(Rehearse)
        self._ask(request, wanted)

    def open_record(self, path: str) -> None:
        """Read a saved run."""
        self._ask(OpenRecord(path=path))

    def hear(self, reply: Reply) -> Event | None:
        """Take a reply; None for one that is only about progress, or about what was given up."""
        if reply.ticket not in self._open:
            return None
        if not isinstance(reply, Answer):
            self.doing = reply.text
            return None
        request, run = self._open.pop(reply.ticket)
        self.doing = "" if not self._open else self.doing
        event = self._event(request, run, reply.value)
        self.settle()
        return event

    def _event(self, request: Request, run: Run | None, value: object) -> Event:
        if isinstance(request, OpenRecord):
            return RecordKnown(path=request.path, value=value)  # type: ignore[arg-type]
        if run is None or self._desk is None:
            return ModelKnown(value=value)  # type: ignore[arg-type]
        assert isinstance(value, Planned | Failed)
        self._desk.learn(run, value)
        return RunKnown(run=run)

    def _ask(self, request: Request, run: Run | None = None) -> None:
        self._open[self._process.ask(request)] = request, run
        self.doing = self.doing or ("rehearsing" if isinstance(request, Rehearse) else "reading")

    def _give_up(self, *kinds: type[Request]) -> None:
        """Drop everything, and ask again for what is of another kind."""
        kept = [request for request, _ in self._open.values() if not isinstance(request, kinds)]
        if len(kept) < len(self._open):
            self._process.drop()
            self._open.clear()
            self.doing = ""
            for request in kept:
                self._ask(request)
