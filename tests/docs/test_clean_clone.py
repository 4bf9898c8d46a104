"""What `make clean-clone` takes for an answer."""

from pathlib import Path

import pytest
from clean_clone import LONG, NOT_RUN, SAME, Said, Step, environment, faults, left_out, steps
from generator.stage import ROOT

README = steps((ROOT / "README.md").read_text(encoding="utf-8"))
PAGE = """
```console
$ make plan     # with a remark
$ anatomy plan meta-llama/Llama-3.1-8B --method qlora --r 64
```

Words.

```text
Fits on a card

...
```

```console
$ echo one
one
$ echo two
```

```python
print("three")
```

```text
three
```
"""


def test_commands_are_read_with_their_answers() -> None:
    assert [(step.command, step.shows) for step in steps(PAGE)] == [
        ("make plan", "Fits on a card\n\n"),
        ("anatomy plan meta-llama/Llama-3.1-8B --method qlora --r 64", "Fits on a card\n\n"),
        ("echo one", "one\n"),
        ("echo two", ""),
    ]


def test_the_readme_begins_with_the_set_up_and_has_every_exception() -> None:
    commands = [step.command for step in README]
    assert commands[:2] == ["make plan", "make test"]
    assert len(commands) > 30
    for known in (*LONG, *NOT_RUN):
        assert any(left_out(command, None, False) for command in commands if command.startswith(known[:8]))
    assert {*SAME, *SAME.values()} <= {*commands}
    assert sum(bool(step.shows) for step in README) >= 5
    report = next(command for command in commands if command.startswith("anatomy report"))
    assert not left_out(report, None, False)


@pytest.mark.parametrize(
    ("command", "only", "everything", "is_run"),
    [
        ("make test", None, False, False),
        ("make test", None, True, True),
        ("make test", "make", False, True),
        ("anatomy env", None, False, True),
        ("anatomy env", "make", False, False),
        ("anatomy browse x", "browse", True, False),
    ],
)
def test_what_is_run(command: str, only: str | None, everything: bool, is_run: bool) -> None:
    assert (left_out(command, only, everything) == "") == is_run


@pytest.mark.parametrize(
    ("step", "said", "fault"),
    [
        (Step(command="a"), Said(code=0, out="b"), None),
        (Step(command="a"), Said(code=2, out="b", err="no such model"), "no such model"),
        (Step(command="a --check"), Said(code=1, out="b"), None),
        (Step(command="a --check"), Said(code=2, out="b"), "exit code 2"),
        (Step(command="a"), Said(code=0, out=" \n"), "prints nothing"),
        (Step(command='eval "$(a)"'), Said(code=0, out=""), None),
        (Step(command="a", shows="b\nc\n\n"), Said(code=0, out="b\nc\n\nd\n"), None),
        (Step(command="a", shows="b\nc\n"), Said(code=0, out="b\nd\n"), "something else"),
        (Step(command="a -o written"), Said(code=0, out=""), None),
        (Step(command="a > 'nowhere'"), Said(code=0, out=""), "nowhere is not written"),
        (Step(command="a --plot empty"), Said(code=0, out="b"), "empty is not written"),
        (Step(command="a --json"), Said(code=0, out='{"breakdown": []}'), None),
        (Step(command="a --json"), Said(code=0, out="{}"), "without a breakdown"),
    ],
)
def test_faults(step: Step, said: Said, fault: str | None, tmp_path: Path) -> None:
    (tmp_path / "written").write_text("x")
    (tmp_path / "empty").touch()
    found = "; ".join(faults(step, said, tmp_path))
    assert (found == "") if fault is None else (fault in found)


def test_nothing_of_this_machine_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("HF_HOME", "/elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example")
    found = environment(tmp_path, tmp_path / "programs")
    assert found["HOME"] == str(tmp_path)
    assert found["PIP_INDEX_URL"] == "https://index.example"
    assert not {"PYTHONPATH", "HF_HOME", "VIRTUAL_ENV"} & found.keys()
