"""The examples, run as they stand: the whole models where the test is slow, else of one layer."""

import json
import runpy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import anatomy
from anatomy.cli import main
from anatomy.source.access import without_network

EXAMPLES = Path(__file__).parents[2] / "examples"
OF_A_MODEL = ("show", "plan", "compare")
"""Verbs that take `overrides`."""


@pytest.fixture(params=[1, pytest.param(None, marks=pytest.mark.slow)], ids=["one layer", "as it stands"])
def layers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int | None]:
    """How many layers the examples' models have here; None for their own number."""
    if request.param is not None:
        for verb in OF_A_MODEL:
            smaller = partial(getattr(anatomy, verb), overrides={"num_hidden_layers": request.param})
            monkeypatch.setattr(anatomy, verb, smaller)
    with without_network():
        yield request.param


@pytest.fixture
def said(layers: int | None, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """What a script prints."""

    def run(name: str) -> str:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture
def answer(layers: int | None, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """What the command line answers about the same model, as JSON."""

    def ask(*arguments: str) -> Any:
        smaller = () if layers is None else ("--set", f"num_hidden_layers={layers}")
        with pytest.raises(SystemExit) as done:
            main([*arguments, *smaller, "--json"])
        out = capsys.readouterr().out
        assert done.value.code == 0
        return json.loads(out)

    return ask
