"""What the examples print is what the command line answers."""

import runpy
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import anatomy

EXAMPLES = Path(__file__).parents[2] / "examples"
LLAMA, RTX_3060, RTX_4090 = "meta-llama/Llama-3.2-1B", "RTX 3060 12GB", "RTX 4090"
Said = Callable[[str], str]
Answer = Callable[..., Any]
RUN_BY = {
    "accelerate.yaml": "trainers/test_config_examples.py",
    "axolotl_qlora.yml": "trainers/test_config_examples.py",
    "ci_gate.py": "examples/test_examples.py",
    "compare_in_pandas.py": "examples/test_examples.py",
    "library.py": "examples/test_examples.py",
    "llamafactory_lora.yaml": "trainers/test_config_examples.py",
    "lstm_lm.py": "cli/test_own_models.py",
    "notebook.ipynb": "docs/test_notebook.py",
    "read_axolotl.py": "examples/test_examples.py",
    "recipe.toml": "trainers/test_config_examples.py",
    "trainer_callback.py": "integrations/test_integration_examples.py",
    "training_arguments.json": "trainers/test_config_examples.py",
    "trl_sft.yaml": "trainers/test_config_examples.py",
    "watch_loop.py": "integrations/test_integration_examples.py",
}
"""Example -> the test that runs it."""


def test_every_example_is_run_and_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == {*RUN_BY, "README.md"}
    for name, test in RUN_BY.items():
        assert f"[{name}]({name})" in listed
        tested = (EXAMPLES.parent / "tests" / test).read_text(encoding="utf-8")
        assert Path(name).stem in tested


def test_the_library(said: Said, answer: Answer, layers: int | None) -> None:
    told = said("library.py")
    plan = answer("plan", LLAMA, "--method", "lora", "--r", "16", "--batch-size", "2", "--seq-len", "2048")
    assert f"{plan['parameters']['trainable']:,} are trained" in told
    assert f"{plan['peak']['allocated_bytes'] / 2**30:.2f} GiB at most" in told
    for part in plan["breakdown"]:
        assert f"  {part['category']:16} {part['bytes']:>13,} bytes\n" in told
    fit = next(fit for fit in plan["fits"] if fit["gpu"] in told.splitlines()[-1])
    assert told.splitlines()[-1].startswith(f"{fit['verdict']} on {fit['gpu']}: ")
    if layers is None:
        assert told.startswith("1,235,814,400 parameters")  # as on the model's card, 1.23B


def test_a_comparison_in_pandas(said: Said, answer: Answer) -> None:
    told = said("compare_in_pandas.py")
    rows = answer(
        *(
            "compare",
            LLAMA,
            "--methods",
            "full,lora,qlora",
            "--optimizers",
            "adamw_torch_fused,paged_adamw_8bit",
        ),
        *("--precisions", "bf16", "--gpu", RTX_3060, "--seq-len", "2048"),
    )["rows"]
    assert len(rows) == 6
    last = [line.split() for line in told.partition("The smallest run of each method")[2].splitlines()[2:]]
    for method, optimizer, device, headroom in last:
        of_it = [row for row in rows if row["method"] == method and row["verdict"].startswith("fits")]
        smallest = min(of_it, key=lambda row: row["device_bytes"])
        assert smallest["optimizer"] == optimizer
        assert (smallest["device_bytes"], smallest["headroom_bytes"]) == (int(device), int(headroom))
    assert {line[0] for line in last} == {row["method"] for row in rows if row["verdict"].startswith("fits")}


def test_an_axolotl_file(said: Said, answer: Answer, layers: int | None) -> None:
    told = said("read_axolotl.py")
    file = str(EXAMPLES / "axolotl_qlora.yml")
    size = 1 if layers is None else 2  # the whole model's file does not fit as it is
    assert told.splitlines()[-1].startswith(f"batch size {size}: fits on {RTX_4090}")
    plan = answer("plan", "--config", file, "--gpu", RTX_4090, "--batch-size", str(size))
    assert f" {plan['peak']['device_bytes']:,} of {plan['fits'][0]['memory_bytes']:,} bytes" in told
    keys = {
        fate: [key["key"] for key in plan["config"][fate]] for fate in ("used", "ignored", "not_modelled")
    }
    for fate, names in keys.items():
        assert f"{fate.replace('_', ' ')}: {', '.join(names)}\n" in told


def test_a_gate(
    layers: int | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anatomy, "plan", cache(anatomy.plan))  # one plan for both margins
    gate = runpy.run_path(str(EXAMPLES / "ci_gate.py"))["main"]
    file = str(EXAMPLES / "axolotl_qlora.yml")
    assert gate(RTX_4090, "0.5", file) == (1 if layers is None else 0)
    assert gate(RTX_4090, "23", file) == 1
    passed, failed = capsys.readouterr().out.splitlines()
    assert passed.startswith("FAIL " if layers is None else "ok   ")
    assert failed.startswith("FAIL ")
    assert gate(RTX_4090, "0", "nowhere.yml") == 2
    assert "hint: " in capsys.readouterr().err


def test_the_gate_asks_for_files(capsys, monkeypatch):
    """No file at all is no pass."""
    monkeypatch.setattr(sys, "argv", ["ci_gate.py", RTX_4090, "0.5"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / "ci_gate.py"), run_name="__main__")
    assert ended.value.code == 2
    assert "python examples/ci_gate.py" in capsys.readouterr().err
