"""`anatomy browse` in a real terminal: a walk through four families, leaving, and what is no terminal."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_models import TINY_LLAMA

from anatomy.units import format_bytes

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
PATIENCE = 90.0
"""Seconds after which something must have gone wrong."""
LEAVING = 5.0
"""Seconds within which the shell is back, on a machine that is busy with other tests."""
ANATOMY = (sys.executable, "-W", "ignore", "-m", "anatomy")

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": TINY_LLAMA,
    "experts": {
        "model_type": "qwen3_moe",
        "architectures": ["Qwen3MoeForCausalLM"],
        "hidden_size": 64,
        "intermediate_size": 128,
        "moe_intermediate_size": 32,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 256,
        "max_position_embeddings": 128,
        "tie_word_embeddings": False,
    },
    "bert": {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 256,
        "max_position_embeddings": 128,
    },
    "t5": {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "is_encoder_decoder": True,
        "d_model": 64,
        "d_kv": 16,
        "d_ff": 128,
        "num_layers": 2,
        "num_heads": 4,
        "vocab_size": 256,
        "decoder_start_token_id": 0,
    },
}
TARGETS = {"llama": "q_proj", "experts": "q_proj", "bert": "query", "t5": "EncDecAttention.q"}
"""Family -> a module that is searched, and taken out of the targets or put in."""


class Terminal:
    """A shell in tmux."""

    def __init__(self, folder: Path, size: tuple[int, int]) -> None:
        self.folder = folder
        self._socket = str(folder / "tmux")
        width, height = map(str, size)
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, "-c", str(folder), "sh")
        self._tmux("set-option", "-g", "window-size", "manual")  # no client is there to say how large
        self._tmux("resize-window", "-x", width, "-y", height)
        self.environment: dict[str, str] = {}

    def _tmux(self, *arguments: str) -> str:
        environment = {**os.environ, "PS1": "$ ", "TERM": "xterm-256color"}
        environment.pop("NO_COLOR", None)
        command = ["tmux", "-S", self._socket, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    def run(self, *arguments: str) -> None:
        """Type a command of `anatomy`; '<code>' after it, once it has ended."""
        given = [f"{name}={value}" for name, value in {**_ENVIRONMENT, **self.environment}.items()]
        self.type(f'clear; env {shlex.join([*given, *ANATOMY, *arguments])}; echo "<$?>"')
        self.press("Enter")

    def type(self, text: str) -> None:
        """Letters."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Keys, by tmux's names."""
        self._tmux("send-keys", *keys)

    def text(self, *flags: str) -> str:
        """What is seen."""
        return self._tmux("capture-pane", "-p", "-J", *flags)

    def shows(self, *wanted: str | Callable[[str], bool], patience: float = PATIENCE) -> str:
        """Wait until all of this is seen."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            text = self.text()
            if all(one in text if isinstance(one, str) else one(text) for one in wanted):
                return text
            time.sleep(0.05)
        raise AssertionError(f"{wanted} is not seen:\n{self.text()}")

    def close(self) -> None:
        self._tmux("kill-server")


_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """160 by 48; it goes with whatever is left in it."""
    shell = Terminal(tmp_path, (160, 48))
    yield shell
    shell.close()


def model(folder: Path, family: str) -> str:
    """A folder with a config, as it is typed."""
    (folder / family).mkdir()
    (folder / family / "config.json").write_text(json.dumps(FAMILIES[family]))
    return f"./{family}"


def planned(folder: Path, *arguments: str) -> dict[str, Any]:
    """What `anatomy plan ... --json` prints."""
    done = subprocess.run(
        [*ANATOMY, *arguments, "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, **_ENVIRONMENT},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def figures(plan: dict[str, Any]) -> tuple[str, ...]:
    """What the panel says of a plan's peak, as it says it."""
    peak = plan["peak"]
    return tuple(
        f"{name} {format_bytes(peak[f'{key}_bytes'])}"
        for name, key in (("peak allocated", "allocated"), ("peak reserved", "reserved"))
    )


def left_by(folder: Path) -> list[str]:
    """Processes of the interface that were started in a folder and are alive."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").resolve() == folder.resolve()
            command = (process / "cmdline").read_bytes().replace(b"\\0", b" ").decode()
        except OSError:
            continue
        if here and "anatomy" in command:
            found.append(command)
    return found


def squeezed(text: str) -> str:
    return re.sub(r" +", " ", text)


def settled(text: str) -> bool:
    """Whether nothing is worked out any more, and no notice lies over the answer."""
    busy = any(word in text for word in ("⟳", "rehears", "Pinned.", "Copied, and"))
    return not busy and "peak allocated" in text


def _view(terminal: Terminal, key: str, footer: str) -> None:
    """Show a view, and wait until it has the keys."""
    terminal.press(key)
    terminal.shows(footer)


def says(plan: dict[str, Any]) -> Callable[[str], bool]:
    """Whether the panel says these figures."""
    return lambda text: all(figure in squeezed(text) for figure in figures(plan))


@pytest.mark.parametrize("family", [pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES])
def test_a_walk(terminal: Terminal, family: str):
    """Open, search, unfold, toggle a target, change method and batch, read the timeline, pin, compare, export, quit."""
    folder, reference = terminal.folder, model(terminal.folder, family)
    terminal.run("browse", reference, "--seq-len", "64", "--batch-size", "1")
    begun = planned(folder, "plan", reference, "--seq-len", "64", "--batch-size", "1")
    terminal.shows("peak allocated", says(begun), begun["model"]["architecture"])
    assert hues(terminal.text("-e")), "as there are not with NO_COLOR"
    terminal.press("P")
    terminal.shows("Pinned. Key 5")
    terminal.press("/")
    terminal.shows("name, component, class")
    terminal.type(TARGETS[family])
    terminal.shows(lambda text: re.search(r" 1/\d", text) is not None)
    terminal.press("Enter")
    terminal.shows("H Heaviest")
    terminal.press("h", "l", "E")
    terminal.press("t")
    terminal.shows(lambda text: "● targets" in text)
    _view(terminal, "2", "⌫ Default")
    terminal.press("g", "Right")
    terminal.shows("● method")
    terminal.press("j", "j", "j", "j", "j", "Right")
    terminal.shows(lambda text: re.search(r"● batch size +2", text) is not None)
    _view(terminal, "3", "p Peak")
    terminal.shows(settled, "in backward of step 2", "allocated")
    terminal.press("p", "Left", "Left", ".", "]")
    terminal.press("P")
    _view(terminal, "5", "b Base")
    seen = squeezed(terminal.shows("◆ base", settled))
    terminal.press("X")
    terminal.shows("Take away", "plan as JSON")
    terminal.press("Enter")
    terminal.shows("Copied, and printed on leaving")
    terminal.press("q")
    terminal.shows("<0>")
    line = next(one for one in terminal.text().splitlines() if one.startswith("anatomy plan "))
    arguments = shlex.split(line)[1:]
    again = planned(folder, *arguments)
    assert again["recipe"]["batch_size"] == 2
    assert again["recipe"]["method"] != begun["recipe"]["method"]
    assert again["recipe"]["target_modules"] != begun["recipe"]["target_modules"]
    assert all(figure in seen for figure in figures(again))
    assert left_by(folder) == []


def test_leaving_in_the_middle_of_a_rehearsal_is_quick_and_leaves_nothing(terminal: Terminal):
    reference = model(terminal.folder, "llama")
    terminal.run("browse", reference, "--set", "num_hidden_layers=64")
    terminal.shows("rehearsing the training step")
    assert left_by(terminal.folder)
    began = time.monotonic()
    terminal.press("q")
    terminal.shows("<0>", patience=LEAVING)
    assert time.monotonic() - began < LEAVING
    until = time.monotonic() + LEAVING
    while left_by(terminal.folder) and time.monotonic() < until:
        time.sleep(0.05)
    assert left_by(terminal.folder) == []


def hues(text: str) -> set[str]:
    """Escapes that set a colour which is no grey; of the 256, six of the cube and the last 24 are greys."""
    greys = {"16", "59", "102", "145", "188", "231", *map(str, range(232, 256))}
    found = set()
    for codes in re.findall(r"\x1b\[([0-9;:]*)m", text):
        for kind, *color in re.findall(r"\b([34]8)[;:](?:5[;:](\d+)|2[;:](\d+)[;:](\d+)[;:](\d+))", codes):
            if color[0] not in greys and not (color[1] and color[1] == color[2] == color[3]):
                found.add(f"{kind}: {color}")
        rest = re.sub(r"\b[34]8[;:](?:5[;:]\d+|2[;:]\d+[;:]\d+[;:]\d+)", "", codes)
        found |= {code for code in re.split("[;:]", rest) if re.fullmatch(r"(3|4|9|10)[1-6]", code)}
    return found


COLOURS = re.compile(r"\x1b\[(?:[\d;:]*[;:])?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:[;:][\d;:]*)?m")
"""Escapes that set a colour, greys too; 39 and 49 are the terminal's own."""


@pytest.mark.slow
def test_without_colour_nothing_is_coloured(terminal: Terminal):
    reference = model(terminal.folder, "llama")
    terminal.environment = {"NO_COLOR": "1"}
    terminal.run("browse", reference)
    terminal.shows("peak allocated")
    for view in "123456":
        terminal.press(view)
        time.sleep(0.3)
        assert COLOURS.findall(terminal.text("-e")) == []
    terminal.press("q")
    terminal.shows("<0>")


@pytest.mark.slow
def test_the_printed_answer_is_said_where_there_is_no_terminal(tmp_path: Path):
    reference = model(tmp_path, "llama")
    done = subprocess.run(
        [*ANATOMY, "browse", reference, "--r", "8"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "browse needs a terminal to draw in." in done.stderr
    assert f"anatomy plan {reference} --r 8" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
