"""`anatomy validate`: tiny cells for real on the CPU, again from their records; and what is refused."""

import csv
import io
import json
import lzma
from dataclasses import replace

import pytest
from made_cells import cell_record, make_cell
from made_records import CUDA, MIB
from tiny_models import TINY_LLAMA

from anatomy import api
from anatomy.cli.validate import _in_words
from anatomy.hardware.catalog import lookup
from anatomy.profiling.cells.runner import Progress
from anatomy.profiling.machine import installed
from anatomy.profiling.record import save
from anatomy.training.recipe import Recipe

GRID = """
title = "tiny"
device = "cpu"
[profile]
passes = ["events"]
[defaults]
precision = "fp32"
seq_len = 16
gradient_checkpointing = "off"
[models.tiny]
config = { model_type = "llama", architectures = ["LlamaForCausalLM"], vocab_size = 128, hidden_size = 32, intermediate_size = 64, num_hidden_layers = 2, num_attention_heads = 2, num_key_value_heads = 2, max_position_embeddings = 32 }
[[cells]]
name = "tiny-{method}"
model = "tiny"
set = { num_hidden_layers = 1 }
hold_out = ["tiny-lora"]
sweep = { method = ["full", "lora"] }
"""
BROKEN = (
    '[[cells]]\nname = "broken"\nmodel = "tiny"\nmethod = "full"\nseq_len = 16\nset = { vocab_size = -3 }\n'
)


def test_cells_are_measured_kept_and_predicted_again(run, tmp_path):
    grid, folder = tmp_path / "tiny.toml", tmp_path / "records"
    grid.write_text(GRID)
    code, out, err = run("validate", grid, "-o", folder, "--check", "--json")
    assert (code, err) == (0, "")
    first = json.loads(out)
    assert [cell["name"] for cell in first["cells"]] == ["tiny-full", "tiny-lora"]
    assert [cell["hold_out"] for cell in first["cells"]] == [False, True]
    for cell in first["cells"]:
        levels = {k: f["difference_bytes"] for k, f in cell["figures"].items() if k.startswith("resting")}
        assert set(levels.values()) == {0}
        assert len(levels) == 7
    kept = {path.name for path in folder.iterdir()}
    tables = {"accuracy.md", "accuracy.csv", "accuracy.json"}
    assert kept == {"tiny-full.run.json.xz", "tiny-lora.run.json.xz", *tables}
    assert json.loads((folder / "accuracy.json").read_text()) == first

    for name in ("tiny-full", "tiny-lora"):  # a record says nothing of the machine's folders
        text = lzma.decompress((folder / f"{name}.run.json.xz").read_bytes()).decode()
        assert str(tmp_path) not in text
        assert '"id":"tiny","origin":"a grid"' in text
        assert "config.json" not in text

    code, out, _ = run("validate", "--from", folder, "--format", "csv")
    assert code == 0
    again = list(csv.DictReader(io.StringIO(out)))
    figures = {c["name"]: c["figures"] for c in first["cells"]}
    for line in again:
        figure = figures[line["cell"]][line["metric"]]
        assert int(line["predicted_bytes"]) == figure["predicted_bytes"]
        assert int(line["measured_bytes"]) == figure["measured_bytes"]
    assert {line["cell"] for line in again} == {"tiny-full", "tiny-lora"}


def test_another_version_is_shown_and_not_scored(run, tmp_path):
    save(cell_record(make_cell("old", config=TINY_LLAMA)), tmp_path / "old.run.json.xz")
    code, out, _ = run("validate", "--from", tmp_path)
    assert code == 0
    assert "0 of 1 cells are scored, 1 is not scored" in out
    assert "measured with torch 0.0, installed" in out
    assert "200.00 MiB" in out  # the record's own prediction


def test_a_failed_cell_is_an_answer_and_no_for_check(run, tmp_path):
    grid, folder = tmp_path / "tiny.toml", tmp_path / "records"
    grid.write_text(GRID.partition("[[cells]]")[0] + BROKEN)
    code, out, _ = run("validate", grid, "-o", folder)
    assert code == 0
    assert "0 of 1 cells are scored, 1 failed" in out
    assert "broken (tiny with vocab_size=-3, full): " in out
    code, again, _ = run("validate", grid, "-o", folder, "--check")
    assert code == 1
    assert again == out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("missing.toml",), "The grid missing.toml cannot be read: No such file or directory."),
        (("cpu", "--only", "llama-fully"), "'llama-fully' is not a cell of this grid."),
        (("--from", "nowhere"), "nowhere holds no records of a grid."),
        (("cpu", "--from", "nowhere"), "--from predicts recorded runs again"),
        (("--from", "nowhere", "--time-limit", "3"), "--from predicts recorded runs again"),
        (("cpu", "--jobs", "0"), "0 is not in the range"),
        (("cpu", "--json", "--format", "csv"), "contradict each other"),
    ],
)
def test_what_is_refused(run, tmp_path, monkeypatch, args, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("validate", *args)
    assert (code, out) == (2, "")
    assert says in err
    assert "hint:" in err
    assert list(tmp_path.iterdir()) == []


def test_a_grid_for_a_gpu_needs_one(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    code, _, err = run("validate", "gpu-140gb")
    assert code == 2
    assert "nvidia-smi shows none on this machine" in err
    assert "--from" in err


@pytest.mark.parametrize(
    ("mib", "name"), [(None, "cpu"), (143_771, "gpu-140gb"), (24_564, "gpu-24gb"), (81_559, "gpu-24gb")]
)
def test_the_grid_that_suits_the_machine(monkeypatch, mib, name):
    from anatomy.api import validated

    monkeypatch.setattr(validated, "_gpu_mib", lambda: mib)
    assert validated.find_grid(None).name == name


def test_a_small_gpu_has_no_grid(monkeypatch):
    from anatomy.api import validated
    from anatomy.errors import SourceError

    monkeypatch.setattr(validated, "_gpu_mib", lambda: 8_192)
    with pytest.raises(SourceError, match="8,192 MiB"):
        validated.find_grid(None)


def test_progress_in_words():
    def words(done, left, *running):
        return _in_words(Progress(done=done, total=62, running=running, seconds_left=left))

    assert words(0, None) == "getting ready"
    assert words(0, None, "one") == "one: cell 1 of 62"
    assert words(12, 240.0, "one") == "one, about 4 min left: cell 13 of 62"
    assert words(12, 61.0, "one", "two", "three") == "one and 2 more, about 61 s left: cell 13 of 62"
    assert words(62, 0.0) == "comparing"


def test_records_of_a_gpu_are_predicted_again_without_one(tmp_path, tiny_llama):
    """The same numbers that the plan for that GPU has: the rehearsal is for the machine that the record names."""
    cell = make_cell("one", model="tiny", config=TINY_LLAMA, recipe=Recipe(seq_len=64, batch_size=2))
    gpu = lookup("H100 80GB SXM")
    machine = replace(
        CUDA,
        memory_bytes=gpu.memory_bytes,
        capability=(9, 0),
        multiprocessors=gpu.multiprocessors,
        versions=installed(),
    )
    save(cell_record(cell, recipe=cell.recipe, machine=machine), tmp_path / "one.run.json.xz")
    (found,) = api.validate_records(tmp_path, jobs=1).cells
    plan = api.plan(str(tiny_llama), recipe=cell.recipe, gpu=gpu.name)
    assert found.not_scored == ""
    assert found.peak.predicted_bytes == plan.footprint.peak_allocated_bytes
    assert found.figure("device use").predicted_bytes == plan.device_bytes
    assert found.peak.measured_bytes == 204 * MIB
