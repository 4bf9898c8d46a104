"""The process behind the interface: answers, is given up in the middle, is killed, and goes when its owner goes."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue

import pytest

from anatomy import api
from anatomy.planning.settings import make_recipe
from anatomy.tui.backstage.link import GONE, Backstage
from anatomy.tui.backstage.requests import Answer, Doing, Failed, ModelAsked, Planned, Rehearse, Reply, Show

PATIENCE = 120.0
"""Seconds after which something must have gone wrong."""


class Heard:
    """Replies, as they come."""

    def __init__(self) -> None:
        self.replies: Queue[Reply] = Queue()

    def answer(self, ticket: int) -> object:
        while True:
            reply = self.replies.get(timeout=PATIENCE)
            if isinstance(reply, Answer):
                assert reply.ticket == ticket
                return reply.value

    def left(self) -> list[Reply]:
        found = []
        with suppress(Empty):
            while True:
                found.append(self.replies.get_nowait())
        return found

    def doing(self, text: str) -> None:
        while not (isinstance(reply := self.replies.get(timeout=PATIENCE), Doing) and text in reply.text):
            pass


@pytest.fixture(scope="module")
def shared():
    """One process for the tests that leave it as it is."""
    heard = Heard()
    backstage = Backstage(heard.replies.put)
    backstage.start()
    yield backstage, heard
    backstage.close()


def rehearse(folder: Path, **options: object) -> Rehearse:
    return Rehearse(
        model=ModelAsked(reference=str(folder)),
        recipe=make_recipe({"seq_len": 64, **options}),
        chosen=frozenset({"seq_len", *options}),
        gpu=None,
    )


def test_answers_are_those_of_the_library(shared, tiny_llama):
    backstage, heard = shared
    shown = heard.answer(backstage.ask(Show(model=ModelAsked(reference=str(tiny_llama)))))
    assert shown == api.show(str(tiny_llama))
    planned = heard.answer(backstage.ask(rehearse(tiny_llama, method="full")))
    assert isinstance(planned, Planned)
    alone = api.plan(str(tiny_llama), method="full", seq_len=64)
    assert planned.plan.to_dict() == alone.to_dict()
    assert planned.modules == alone.modules


def test_what_cannot_be_answered_is_a_sentence(shared, tiny_llama):
    backstage, heard = shared
    refused = heard.answer(backstage.ask(rehearse(tiny_llama, target_modules=("no_such_layer",))))
    assert isinstance(refused, Failed)
    assert "no_such_layer" in refused.message
    missing = heard.answer(backstage.ask(Show(model=ModelAsked(reference=str(tiny_llama / "nowhere")))))
    assert isinstance(missing, Failed)
    assert missing.hint


def test_what_is_dropped_is_not_heard_of_again(shared, tiny_llama):
    backstage, heard = shared
    dropped = backstage.ask(rehearse(tiny_llama, method="full", seq_len=128))
    heard.doing("rehearsing")
    backstage.drop()
    wanted = backstage.ask(rehearse(tiny_llama, method="lora"))
    assert wanted != dropped
    assert isinstance(heard.answer(wanted), Planned)


def test_a_process_that_dies_is_said_to_and_another_one_takes_over(tiny_llama):
    heard = Heard()
    backstage = Backstage(heard.replies.put)
    backstage.start()
    ticket = backstage.ask(rehearse(tiny_llama))
    heard.doing("rehearsing")
    for child in _children(backstage._server.pid):  # type: ignore[union-attr]
        os.kill(child, signal.SIGKILL)
    assert heard.answer(ticket) == GONE
    assert isinstance(heard.answer(backstage.ask(rehearse(tiny_llama))), Planned)
    backstage.close()


def test_nothing_is_left_when_the_owner_goes(tmp_path, tiny_llama):
    """The owner ends without a word in the middle of a rehearsal."""
    program = tmp_path / "owner.py"
    program.write_text(
        "import os, sys, threading\n"
        "from anatomy.planning.settings import make_recipe\n"
        "from anatomy.tui.backstage.link import Backstage\n"
        "from anatomy.tui.backstage.requests import Doing, ModelAsked, Rehearse\n"
        "seen = threading.Event()\n"
        "def hear(reply):\n"
        "    if isinstance(reply, Doing) and 'rehearsing' in reply.text:\n"
        "        print(backstage._server.pid, flush=True)\n"
        "        os._exit(0)\n"
        "backstage = Backstage(hear)\n"
        "backstage.start()\n"
        f"model = ModelAsked(reference={str(tiny_llama)!r})\n"
        "backstage.ask(Rehearse(model=model, recipe=make_recipe({}), chosen=frozenset(), gpu=None))\n"
        "threading.Event().wait()\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=PATIENCE)
    group = int(done.stdout)
    until = time.monotonic() + 10
    while _in_session(group) and time.monotonic() < until:
        time.sleep(0.05)
    assert _in_session(group) == []


def test_closing_does_not_wait_for_a_rehearsal(tiny_llama):
    heard = Heard()
    backstage = Backstage(heard.replies.put)
    backstage.start()
    backstage.ask(rehearse(tiny_llama))
    heard.doing("rehearsing")
    server = backstage._server
    assert server is not None
    backstage.close()
    assert server.poll() is not None
    assert not any(isinstance(reply, Answer) for reply in heard.left())


def test_the_interface_s_end_imports_neither_torch_nor_transformers():
    program = (
        "import sys, anatomy.tui.backstage.link, anatomy.tui.backstage.requests;"
        "print([m for m in ('torch', 'transformers', 'textual', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _in_session(group: int) -> list[str]:
    """Processes of a session that are alive."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == group and fields[0] != "Z":
            found.append(status.parent.name)
    return found
