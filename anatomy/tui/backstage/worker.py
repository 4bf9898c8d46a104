"""A worker: answers one request after the other, until its socket ends."""

import os
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from anatomy.errors import AnatomyError
from anatomy.tui.backstage.requests import (
    Answer,
    Doing,
    Failed,
    ModelAsked,
    OpenRecord,
    Planned,
    Rehearse,
    Request,
    Show,
)

if TYPE_CHECKING:
    from anatomy.api.studio import Studio


def work(descriptor: int) -> None:
    """Serve the socket `descriptor`; never returns while its other end is open."""
    connection = Connection(descriptor)
    waiting: SimpleQueue[tuple[int, Request]] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, waiting), daemon=True).start()
    answering = _Answering(connection)
    while True:
        ticket, request = waiting.get()
        answering.answer(ticket, request)


def _listen(connection: Connection, waiting: "SimpleQueue[tuple[int, Request]]") -> None:
    """Take requests; where there is nobody left to answer, end, in the middle of whatever is going on."""
    while True:
        try:
            waiting.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)


class _Answering:
    """The models that were asked for, with what is kept of each."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asked: ModelAsked | None = None
        self._studio: Studio | None = None

    def answer(self, ticket: int, request: Request) -> None:
        """Answer a request, whatever comes of it."""
        value: Any
        try:
            value = self._value(ticket, request)
        except AnatomyError as error:
            value = Failed(message=error.message, hint=error.hint)
        except Exception as error:
            value = Failed(
                message=f"This failed unexpectedly: {type(error).__name__}: {error}",
                hint="`anatomy plan` with ANATOMY_DEBUG=1 shows where; please report it",
            )
        self._send(Answer(ticket=ticket, value=value))

    def _value(self, ticket: int, request: Request) -> Any:
        def tell(text: str) -> None:
            self._send(Doing(ticket=ticket, text=text))

        match request:
            case Show():
                return self._studio_of(request.model).show(tell)
            case Rehearse():
                plan = self._studio_of(request.model).plan(
                    request.recipe, chosen=request.chosen, gpu=request.gpu, progress=tell
                )
                return Planned(plan=plan, modules=plan.modules)
            case OpenRecord():
                from anatomy.profiling.record import load
                from anatomy.tui.runs.saved import saved_run

                tell(f"reading {request.path}")
                return saved_run(request.path, load(Path(request.path)))

    def _studio_of(self, asked: ModelAsked) -> "Studio":
        """What plans this model; the one before it is let go."""
        from anatomy.api.studio import Studio

        if self._studio is None or asked != self._asked:
            self._asked = asked
            self._studio = Studio(
                asked.reference,
                overrides=asked.overrides,
                revision=asked.revision,
                trust_remote_code=asked.trust_remote_code,
            )
        return self._studio

    def _send(self, reply: Any) -> None:
        try:
            self._connection.send(reply)
        except OSError:
            os._exit(0)
