"""A model of the user's own, from a file that is run."""

import pytest
import torch

from anatomy.architecture.own import build_own, call_own, own_anatomy, own_reference
from anatomy.errors import ArchitectureError


@pytest.fixture
def write(tmp_path):
    def make(text):
        file = tmp_path / "own.py"
        file.write_text(text, encoding="utf-8")
        return file

    return make


NET = """
import torch
from torch import nn

class Strange(nn.Module):
    def __init__(self):
        super().__init__()
        self.zorb = nn.Parameter(torch.empty(3, 5, 7))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 4)
        self.strange = Strange()
        self.head = nn.Linear(4, 11, bias=False)
        self.head.weight = self.embed.weight

def build():
    print("building")
    return Net()

def inputs(batch_size):
    return torch.zeros(batch_size, 3)
"""


def test_only_the_written_form_is_a_file_to_run():
    assert own_reference("a/b.py:build") is not None
    for other in (
        "a/b.py",
        "org/name",
        "org/name:Q4_K_M",
        "b.py:",
        "b.py:1x",
        "org/name:file.gguf",
        "b.py:a.b",
    ):
        assert own_reference(other) is None


def test_a_module_is_taken_apart(write, capsys):
    reference = f"{write(NET)}:build"
    own = build_own(reference)
    found = own_anatomy(own)
    assert found.total == 11 * 4 + 3 * 5 * 7
    assert found.by_component == {"embedding": 44, "other": 105}
    assert found.unclassified == ("strange.zorb",)  # reported, not hidden
    assert found.tied[0].also == ("head.weight",)
    assert all(parameter.device.type == "meta" for parameter in own.model.parameters())
    assert capsys.readouterr().out == ""  # what the file prints is no answer
    assert call_own(own, "inputs", batch_size=2, seq_len=9).shape == (2, 3)


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("def build(): return 3", "build", "not a torch.nn.Module"),
        ("def build(): return 1 / 0", "build", "line 1 fails: ZeroDivisionError"),
        ("import nothing_of_this_name", "build", "ModuleNotFoundError"),
        ("def make(): pass", "build", "defines no function 'build'"),
        ("def build(:", "build", "SyntaxError"),
        ("def build(): raise SystemExit(3)", "build", "line 1 fails: SystemExit: 3"),
        ("import torch\ndef build(): return torch.nn.LazyLinear(3)", "build", "weight is made at the first"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(write, text, name, said):
    with pytest.raises(ArchitectureError, match=said):
        build_own(f"{write(text)}:{name}")


NAMES = """
import torch

class LM(torch.nn.Module):
    def forward(self, x):
        return x

class Maker:
    def __call__(self, width):
        return LM()

model, make, count = LM(), Maker(), 3

async def slow():
    return LM()

def build(width, *rest, depth=2):
    return LM()
"""


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("model", "model in .* is a LM that is made already", "own.py:LM"),
        ("make", r"make\(\) in .* asks for width", "give them defaults"),
        ("slow", r"slow\(\) in .* is asynchronous", "with `def` alone"),
        ("build", r"build\(\) in .* without arguments, and asks for width\.", "give them defaults"),
        ("count", "defines 'count', but as int", "slow, build"),
    ],
)
def test_a_name_that_makes_no_module_is_not_called(write, name, said, hint):
    with pytest.raises(ArchitectureError, match=said) as refused:
        build_own(f"{write(NAMES)}:{name}")
    assert hint in refused.value.hint


def test_a_line_is_named_whatever_way_the_file_is(write, monkeypatch):
    file = write("def build():\n    return 1 / 0")
    monkeypatch.chdir(file.parent)
    with pytest.raises(ArchitectureError, match=f"{file.name}, line 2 fails"):
        build_own(f"{file.name}:build")


def test_values_are_not_there_to_be_read(write):
    file = write("import torch\ndef build(): return torch.nn.Linear(int(torch.arange(3).sum().item()), 1)")
    with pytest.raises(ArchitectureError) as refused:
        build_own(f"{file}:build")
    assert "meta device" in str(refused.value.hint)


def test_a_file_that_is_not_there():
    with pytest.raises(ArchitectureError, match="There is no file"):
        build_own("nowhere/at_all.py:build")


def test_what_lies_beside_the_file_can_be_imported(write, tmp_path):
    (tmp_path / "neighbour_of_own.py").write_text("WIDTH = 6", encoding="utf-8")
    file = write(
        "import torch\nfrom neighbour_of_own import WIDTH\ndef build(): return torch.nn.Linear(WIDTH, 1)"
    )
    assert own_anatomy(build_own(f"{file}:build")).total == 7


def test_the_lstm_example_has_the_textbooks_parameters():
    """Four gates of (inputs + states + 1) weights a unit, and PyTorch's second bias."""
    from pathlib import Path

    file = Path(__file__).parents[2] / "examples" / "lstm_lm.py"
    own = build_own(f"{file}:build")
    vocabulary, width, hidden = 10_000, 256, 512
    lstm = 4 * hidden * (width + hidden + 2) + 4 * hidden * (hidden + hidden + 2)
    found = own_anatomy(own)
    assert found.total == vocabulary * width + lstm + (hidden + 1) * vocabulary
    assert found.by_component["mixer"] == lstm
    assert found.unclassified == ()
    assert isinstance(own.model.lstm, torch.nn.LSTM)
