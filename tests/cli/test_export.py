"""`anatomy plan --export`: the file that other tools open, and refusals before any work."""

import json
import pickle

import pytest

from anatomy import api
from anatomy.cli import main
from anatomy.errors import AnatomyError


@pytest.fixture
def run(capfd, monkeypatch):
    """Run `anatomy plan` in this process; returns (exit code, stdout, stderr)."""
    monkeypatch.delenv("ANATOMY_DEBUG", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*args):
        with pytest.raises(SystemExit) as done:
            main(["plan", *(str(arg) for arg in args)])
        out, err = capfd.readouterr()
        return done.value.code, out, err

    return call


@pytest.fixture
def no_work(monkeypatch):
    """A plan that must not be made."""
    monkeypatch.setattr(api, "plan", lambda *_, **__: pytest.fail("work was done"))


def test_both_exports_say_what_the_plan_says(run, tiny_llama, tmp_path):
    exports = [tmp_path / "steps.pickle", tmp_path / "steps.JSON"]
    answers = []
    for file in exports:
        code, out, err = run(tiny_llama, "--seq-len", "16", "--json", "--export", file)
        assert (code, err) == (0, "")
        answers.append(json.loads(out))
    assert answers[0] == answers[1], "an export changes nothing in the answer"
    peak = answers[0]["peak"]

    snapshot = pickle.loads(exports[0].read_bytes())
    reserved = sum(segment["total_size"] for segment in snapshot["segments"])
    assert reserved == peak["reserved_bytes"], "without a limit nothing is given back"

    events = json.loads(exports[1].read_text())["traceEvents"]
    counters = [event for event in events if event["ph"] == "C"]
    for name in ("allocated", "reserved"):
        highest = max(event["args"]["bytes"] for event in counters if event["name"] == name)
        assert highest == peak[f"{name}_bytes"]
    (moment,) = (event for event in events if event["name"] == "peak")
    assert (moment["args"]["module"], moment["args"]["op"]) == (peak["module"], peak["op"])


@pytest.mark.parametrize(
    ("name", "said"),
    [("steps.html", "ends in .html"), ("steps", "has no ending"), (".json", "has no ending")],
)
def test_other_endings_are_refused_before_any_work(run, no_work, tiny_llama, tmp_path, name, said):
    file = tmp_path / name
    code, out, err = run(tiny_llama, "--export", file)
    assert (code, out) == (2, "")
    assert err == (
        f"error: {file} {said}, and an export is a .pickle or a .json file.\n\n"
        "hint: .pickle is a PyTorch memory snapshot, .json a Chrome / Perfetto trace\n"
    )
    assert not file.exists()


def test_a_file_that_cannot_be_written_is_refused_before_any_work(run, no_work, tiny_llama, tmp_path):
    code, out, err = run(tiny_llama, "--export", tmp_path / "nowhere" / "steps.json")
    assert (code, out) == (2, "")
    assert "cannot be written: there is no folder" in err
    assert "choose another file with --export" in err


def test_answer_and_export_are_two_files(run, no_work, tiny_llama, tmp_path):
    code, _, err = run(tiny_llama, "-o", tmp_path / "a.json", "--export", tmp_path / "." / "a.json")
    assert code == 2
    assert "-o and --export both name" in err


def test_export_of_any_replay(made_plan, tmp_path):
    for name in ("a.pickle", "a.json"):
        api.export(made_plan.replay, str(tmp_path / name))
        assert (tmp_path / name).stat().st_size > 500
    with pytest.raises(AnatomyError, match="cannot be written"):
        api.export(made_plan.replay, str(tmp_path / "nowhere" / "a.json"))
