"""Completion as a shell asks for it, and what it costs."""

import os
import subprocess
import sys

import pytest

from anatomy.cli.completion import SHELLS
from anatomy.hardware.catalog import lookup


def completed(line: str, *, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """What bash is given for the last word of a line."""
    environment = {
        **os.environ,
        "_ANATOMY_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    return subprocess.run(
        [sys.executable, *python, "-m", "anatomy"],
        env=environment, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip


def words(line: str) -> list[str]:
    return [one.partition(",")[2] for one in completed(line).stdout.splitlines()]


@pytest.mark.parametrize(
    ("line", "among"),
    [
        ("anatomy br", "browse"),
        ("anatomy plan meta-llama/Llama-3.1-8", "meta-llama/Llama-3.1-8B"),
        ("anatomy show gpt-oss", "openai/gpt-oss-20b"),
        ("anatomy plan x --method ql", "qlora"),
        ("anatomy plan x --optimizer paged_adamw_8", "paged_adamw_8bit"),
        ("anatomy compare --gra", "--grad-accum"),
    ],
)
def test_the_last_word_is_completed(line, among):
    assert among in words(line)


def test_gpus_are_completed_to_a_word_that_is_understood():
    found = words("anatomy plan x --gpu rtx-40")
    assert found
    assert all(" " not in word and lookup(word).name.startswith("RTX 40") for word in found)


def test_what_may_be_a_file_is_left_to_the_shell():
    assert "file,./" in completed("anatomy plan ./").stdout.splitlines()


@pytest.mark.parametrize("line", ["anatomy pl", "anatomy plan meta", "anatomy plan x --optimizer a"])
def test_completing_imports_nothing_heavy(line):
    imported = completed(line, python=("-X", "importtime")).stderr
    assert "click" in imported
    heavy = [
        name
        for name in ("torch", "transformers", "huggingface_hub", "textual", "pandas", "rich")
        if f"| {name}\n" in imported.replace("  ", "")
    ]
    assert heavy == []


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_its_script(run, shell):
    code, out, _ = run("completion", shell)
    assert code == 0
    assert "_ANATOMY_COMPLETE" in out


def test_another_shell_is_told_which_there_are(run, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    code, _, err = run("completion")
    assert code == 2
    assert "tcsh" in err
    assert "bash|zsh|fish" in err
