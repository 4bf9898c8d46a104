"""`anatomy profile`: what it passes on, what it keeps, and what it shows again."""

import csv
import io
import json

import pytest
from made_records import MIB, failed_record, make_record

from anatomy import api
from anatomy.cli.progress import _counted
from anatomy.errors import RecipeError
from anatomy.memory.allocator import replay
from anatomy.profiling.record import load, save
from anatomy.training.recipe import Recipe


@pytest.fixture
def asked(monkeypatch):
    """What api.profile was asked; it answers with a record made by hand."""
    calls = []

    def profile(reference, **options):
        options["progress"]("timing step 1 of 2")
        calls.append((reference, options))
        return make_record()

    monkeypatch.setattr(api, "profile", profile)
    return calls


def test_flags_are_passed_on(run, asked):
    code, out, err = run(
        *("profile", "org/model", "--method", "full", "--seq-len", "64", "--steps", "3", "--warmup", "0"),
        *("--device", "cpu", "--weights", "--set", "num_hidden_layers=2", "--revision", "main"),
    )
    assert (code, err) == (0, "")
    assert "Measured on Example CPU" in out
    ((reference, options),) = asked
    assert reference == "org/model"
    options.pop("progress")
    assert options == {
        "config": None,
        "lengths": None,
        "recipe": Recipe(method="full", seq_len=64),
        "chosen": frozenset({"method", "seq_len"}),
        "weights": "real",
        "steps": 3,
        "warmup": 0,
        "device": "cpu",
        "overrides": {"num_hidden_layers": 2},
        "revision": "main",
        "trust_remote_code": False,
    }


def test_the_defaults_are_the_verbs_own(run, asked):
    run("profile", "org/model")
    ((_, options),) = asked
    assert (options["weights"], options["steps"], options["warmup"]) == ("random", 5, 2)
    assert options["device"] is None
    import inspect

    verb = inspect.signature(_verb()).parameters
    assert {name: verb[name].default for name in ("weights", "steps", "warmup", "device")} == {
        name: options[name] for name in ("weights", "steps", "warmup", "device")
    }


def _verb():
    """The function itself, behind what a fixture put in its place."""
    from anatomy.api.profiled import profile

    return profile


@pytest.mark.parametrize("name", ["run.json", "run.json.xz"])
def test_saved_and_opened_it_says_the_same(run, asked, tmp_path, name):
    file = tmp_path / name
    code, first, err = run("profile", "org/model", "--save", file)
    assert (code, err) == (0, "")
    assert load(file) == make_record()
    for form in ("table", "md", "csv", "json"):
        code, opened, err = run("profile", "--open", file, "--format", form)
        assert (code, err) == (0, "")
        _, direct, _ = run("profile", "org/model", "--format", form)
        assert opened == direct
    assert run("profile", "--open", file)[1] == first


def test_formats_agree(run, tmp_path):
    file = tmp_path / "run.json"
    save(make_record("cuda"), file)
    data = json.loads(run("profile", "--open", file, "--json")[1])
    rows = list(csv.DictReader(io.StringIO(run("profile", "--open", file, "--format", "csv")[1])))
    peaks = {row["name"]: int(row["difference_bytes"]) for row in rows if row["section"] == "peak"}
    assert peaks == {name: figure["difference_bytes"] for name, figure in data["peaks"].items()}
    assert peaks["allocated"] == -4 * MIB
    answer = tmp_path / "answer.md"
    assert run("profile", "--open", file, "-o", answer)[1] == ""
    assert answer.read_text() == run("profile", "--open", file, "--format", "md")[1]


def test_out_of_memory_is_an_answer_and_no_error(run, tmp_path):
    save(failed_record(), tmp_path / "oom.json")
    code, out, err = run("profile", "--open", tmp_path / "oom.json")
    assert (code, err) == (0, "")
    assert "Out of memory on Example GPU (512.00 MiB) in backward of step 1" in out
    assert "In use when it ended" in out


def test_a_refusal_is_a_sentence_with_a_hint(run, monkeypatch):
    def refuse(*args, **options):
        raise RecipeError(
            "This run needs 2.00 GiB, and X has 1.00 GiB free.", hint="it fits with --batch-size 1"
        )

    monkeypatch.setattr(api, "profile", refuse)
    code, out, err = run("profile", "org/model")
    assert (code, out) == (2, "")
    assert err == (
        "error: This run needs 2.00 GiB, and X has 1.00 GiB free.\n\nhint: it fits with --batch-size 1\n"
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "MODEL is missing"),
        (["--open", "FILE", "org/model"], "MODEL cannot be chosen"),
        (["--open", "FILE", "--seq-len", "64"], "--seq-len cannot be chosen"),
        (["--open", "FILE", "--save", "FILE"], "--save cannot be chosen"),
        (["--open", "FILE", "--no-gradient-checkpointing"], "--gradient-checkpointing cannot be chosen"),
        (["--open", "missing.json"], "missing.json cannot be read"),
        (["org/model", "--save", "missing/folder/run.json"], "there is no folder"),
        (["org/model", "--save", "FILE", "-o", "FILE"], "-o and --save both name"),
        (["org/model", "--steps", "0"], "0 is not in the range x>=1"),
        (["org/model", "--device", "tpu"], "'tpu' is not one of 'cuda', 'cpu'"),
    ],
)
def test_what_cannot_be_asked(run, asked, tmp_path, monkeypatch, args, words):
    monkeypatch.chdir(tmp_path)
    save(make_record(), tmp_path / "FILE")
    code, out, err = run("profile", *args)
    assert (code, out) == (2, "")
    assert words in err
    assert "hint: " in err
    assert asked == []


def test_other_files_are_refused(run, tiny_llama):
    code, _, err = run("profile", "--open", tiny_llama / "config.json")
    assert code == 2
    assert "is not a saved run: it does not say that it is one." in err
    assert "hint: `anatomy profile MODEL --save run.json` writes one" in err


def test_stages_that_count_have_a_bar():
    assert _counted("timing step 2 of 5") == (1, 5)
    assert _counted("reading org/model") == (0, None)
    assert _counted("3 of 4 layers") == (0, None)


def test_a_real_run_on_the_cpu(run, tiny_llama, tmp_path):
    """Three ways to the same numbers: measured now, opened again, and in JSON."""
    file = tmp_path / "run.json.xz"
    code, out, err = run(
        *("profile", tiny_llama, "--device", "cpu", "--method", "full", "--precision", "fp32"),
        *("--seq-len", "32", "--optimizer", "adamw_torch", "--steps", "2", "--warmup", "0"),
        *("--save", file, "--json"),
    )
    assert code == 0
    # torch.profiler's own library is silenced by the environment, which it reads once in a process.
    assert [line for line in err.splitlines() if not line.startswith(("USDT:", "STAGE:"))] == []
    data = json.loads(out)
    peak = data["peaks"]["allocated"]
    assert peak["measured_bytes"] > 4 * data["parameters"]["total"]
    assert abs(peak["difference_bytes"]) <= 0.01 * peak["measured_bytes"]
    resting = [row for row in data["phases"] if row["phase"] in ("load", "zero grad", "optimizer step")]
    assert resting
    for row in resting:
        assert row["end"]["difference_bytes"] == 0
    assert sum(row["measured_bytes"] for row in data["categories"]) == peak["measured_bytes"]
    assert data["residuals"]["explained"] > 0.95
    assert len(data["timing"]["step_seconds"]) == 2
    assert data["machine"]["kind"] == "cpu"
    assert json.loads(run("profile", "--open", file, "--json")[1]) == data
    assert "No GPU: these are the CPU allocator's numbers" in run("profile", "--open", file)[1]


def test_both_timelines_of_a_saved_run_are_exported(tmp_path, run):
    """The exported counters are the levels of the two timelines."""
    kept, record = tmp_path / "run.json.xz", make_record()
    save(record, kept)
    files = {"--export": tmp_path / "measured.json", "--export-predicted": tmp_path / "predicted.json"}
    code, *_ = run("profile", "--open", kept, *(word for pair in files.items() for word in pair))
    assert code == 0
    timelines = (record.measurement.observed, record.prediction.timeline)
    for path, timeline in zip(files.values(), timelines, strict=True):
        counted = [e for e in json.loads(path.read_text())["traceEvents"] if e["ph"] == "C"]
        levels = [e["args"]["bytes"] for e in counted if e["name"] == "allocated"]
        assert max(levels) == replay(timeline).peak_allocated_bytes


def test_two_flags_may_not_name_one_file(tmp_path, run):
    path = tmp_path / "one.json"
    code, _, err = run("profile", "org/model", "--export", path, "--save", path)
    assert code == 2
    assert "--save and --export both name" in err
