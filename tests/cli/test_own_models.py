"""`show` and `plan` of FILE.py:NAME."""

import json
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "lstm_lm.py"
SMALL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.out = nn.Linear(16, 8)

    def forward(self, x):
        print("forward")
        return self.out(self.lstm(x)[0])

def build():
    return Net()

def example(batch_size):
    return (torch.randn(batch_size, 5, 8),)

def loss(outputs):
    return outputs.square().mean()
"""


@pytest.fixture
def small(tmp_path):
    file = tmp_path / "small.py"
    file.write_text(SMALL, encoding="utf-8")
    return file


@pytest.mark.parametrize("format_", ["table", "md", "csv", "json"])
def test_show(run, format_):
    code, out, err = run("show", f"{EXAMPLE}:build", "--format", format_)
    assert (code, err) == (0, "")
    assert ("11368208" if format_ in ("csv", "json") else "11,368,208") in out


def test_a_file_alone_is_not_run(run, tmp_path):
    file = tmp_path / "careful.py"
    file.write_text("raise SystemExit('run')", encoding="utf-8")
    code, out, err = run("show", file)
    assert code != 0
    assert "SystemExit" not in out + err
    assert f"{file}:NAME runs it" in err


def test_questions_of_a_module_of_ones_own(run):
    code, out, _ = run("show", f"{EXAMPLE}:build", "--formats", "--sort", "bytes", "--json")
    data = json.loads(out)
    sizes = {row["name"]: row for row in data["formats"]}
    assert code == 0
    assert sizes["fp32"]["bytes"] == 4 * 11_368_208
    assert "llama.cpp does not convert" in sizes["gguf"]["why_not"]
    assert data["entries"][0]["path"] == "head.weight"


def test_plan(run, small):
    """A step of the module's own: at rest weights and two states of each, in blocks of 512 bytes."""
    code, out, err = run("plan", f"{small}:build", "--inputs", "example", "--batch-size", "2", "--json")
    assert code == 0
    assert err.count("forward") == 2  # what the file prints stays off the answer
    plan = json.loads(out)
    assert (plan["recipe"]["method"], plan["recipe"]["precision"]) == ("full", "fp32")
    numbers = (4 * 16 * 8, 4 * 16 * 16, 4 * 16, 4 * 16, 16 * 8, 8)
    blocks = sum(-(-4 * n // 512) * 512 for n in numbers)
    assert plan["parameters"]["total"] == sum(numbers)
    held = {row["category"]: row["bytes"] for row in plan["breakdown"]}
    assert held["weights"] == blocks
    assert held["optimizer states"] == 2 * blocks + 6 * 512  # AdamW counts each one's steps beside
    assert plan["resting"]["load"] == blocks + 512  # and the running loss
    assert any("cuDNN" in text for text in plan["not_modelled"])
    assert any("example(), which takes no seq_len" in text for text in plan["assumptions"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--method", "lora"], "trained whole"),
        (["--inputs", "nothing"], "defines no function 'nothing'"),
        (["--gradient-checkpointing"], "own code"),
    ],
)
def test_what_a_module_of_ones_own_cannot_have(run, small, args, said):
    options = args if "--inputs" in args else [*args, "--inputs", "example"]
    code, out, err = run("plan", f"{small}:build", *options)
    assert (code != 0, out) == (True, "")
    assert said in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["show", "--set", "layers=3"], "layers would change nothing"),
        (["show", "--formats", "--set", "layers=3"], "layers would change nothing"),
        (["plan", "--set", "layers=3"], "layers would change nothing"),
        (["show", "--kv-cache"], "not one of transformers'"),
        (["compare"], "only show and plan"),
    ],
)
def test_what_is_not_asked_of_a_module_of_ones_own(run, small, args, said):
    command, *options = args
    code, out, err = run(command, f"{small}:build", *options)
    assert (code, out) == (2, "")
    assert said in err


def test_inputs_belong_to_ones_own_file(run, tiny_llama):
    code, _, err = run("plan", tiny_llama, "--inputs", "example")
    assert code != 0
    assert "FILE.py:NAME" in err


def test_a_step_under_autocast(run, small):
    code, out, _ = run("plan", f"{small}:build", "--inputs", "example", "--precision", "bf16-mixed", "--json")
    assert code == 0
    assert json.loads(out)["recipe"]["precision"] == "bf16-mixed"


def test_a_step_that_fails_says_where(run, small):
    """Weights in bf16 and inputs in fp32: as torch has it."""
    code, out, err = run("plan", f"{small}:build", "--inputs", "example", "--precision", "bf16")
    assert (code != 0, out) == (True, "")
    assert "lstm" in err
    assert f"{small}, line 13, led there" in err
    assert "example() returns" in err
    assert "target-modules" not in err  # there are no adapters


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "no function is named after the colon"), ("a.b", "'a.b' is no name of a function")],
)
def test_a_colon_without_a_function_s_name_is_no_hub_id(run, small, name, said):
    code, out, err = run("show", f"{small}:{name}")
    assert (code, out) == (2, "")
    assert f"'{small}:{name}' is not of the form FILE.py:NAME: {said}" in err
    assert f"{small}:build" in err
