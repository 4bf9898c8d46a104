"""The interface's end: starts the process behind it, asks, drops what is no longer wanted, ends it."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from anatomy.tui.backstage.requests import Answer, Failed, Reply, Request

GONE = Failed(
    message="The process that rehearses ended on its own.",
    hint="it may have run out of memory; `anatomy plan` says more",
)


class Backstage:
    """One worker at a time. `deliver` is called with every reply, from another thread."""

    def __init__(self, deliver: Callable[[Reply], None]) -> None:
        self._deliver = deliver
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._worker: _Worker | None = None
        self._ticket = 0

    def start(self) -> None:
        """Start the process; it needs some seconds to import what it will use, and requests wait for it."""
        ours, theirs = socket.socketpair()
        debug = bool(os.environ.get("ANATOMY_DEBUG"))
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "anatomy.tui.backstage", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=open("anatomy-browse.log", "ab") if debug else subprocess.DEVNULL,  # noqa: SIM115
                start_new_session=True,  # what the terminal sends is for the interface
            )
        self._control = ours

    def ask(self, request: Request) -> int:
        """Put a request behind those that are under way; returns its ticket."""
        self._ticket += 1
        if self._worker is None or self._worker.ended:
            self._worker = _Worker(self._open(), self._deliver)
        self._worker.ask(self._ticket, request)
        return self._ticket

    def drop(self) -> None:
        """Give up whatever is under way: nothing more will be heard of it."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def close(self) -> None:
        """End everything, at once."""
        self.drop()
        if self._control is not None:
            self._control.close()
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def _open(self) -> Connection:
        """A socket to a new worker."""
        if self._control is None:
            self.start()
        assert self._control is not None
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"w"], [theirs.fileno()])
            except OSError:  # the process is gone: begin again
                self._control.close()
                self.start()
                socket.send_fds(self._control, [b"w"], [theirs.fileno()])
        return Connection(ours.detach())


class _Worker:
    """One worker's socket, and a thread that reads it."""

    def __init__(self, connection: Connection, deliver: Callable[[Reply], None]) -> None:
        self._connection = connection
        self._deliver = deliver
        self._wanted = True
        self._under_way: list[int] = []
        self.ended = False
        """Whether the process is gone."""
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, ticket: int, request: Request) -> None:
        self._under_way.append(ticket)
        with suppress(OSError):  # told by the reading thread
            self._connection.send((ticket, request))

    def close(self) -> None:
        self._wanted = False
        with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads

    def _read(self) -> None:
        while True:
            try:
                reply = self._connection.recv()
            except (EOFError, OSError):
                break
            if isinstance(reply, Answer):
                self._under_way.remove(reply.ticket)
            if self._wanted:
                self._deliver(reply)
        self.ended = True
        self._connection.close()
        for ticket in self._under_way if self._wanted else ():
            self._deliver(Answer(ticket=ticket, value=GONE))
