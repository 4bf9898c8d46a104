"""The examples run as they stand."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["trainer_callback", "watch_loop"])
def test_examples_say_what_they_promise(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert "peak allocated" in said
    assert "measured" in said
    if name == "trainer_callback":
        assert "step 0: memory/predicted_peak_allocated_bytes = " in said
        assert "step 4: memory/measured_peak" in said
