"""A saved run: what was written is what is read, and every other file is refused in a sentence."""

import json
import lzma
from dataclasses import replace
from pathlib import Path

import pytest
from made_records import SMALLER, failed_record, make_record, predicted_timeline

from anatomy.errors import SourceError
from anatomy.profiling.measurement import AllocatorTrace
from anatomy.profiling.record import FORMAT_VERSION, KIND, load, save

TRACE = AllocatorTrace(actions=("segment_alloc", "alloc"), addresses=(1 << 40, 1 << 40), sizes=(2 << 20, 512))
RECORDS = {
    "cpu": make_record(labels={"cell": "a", "held out": "yes"}),
    "cuda": make_record("cuda", allocator_trace=TRACE, recorded=predicted_timeline(), notes=("one", "two")),
    "out of memory": failed_record(),
    "something smaller": failed_record(SMALLER),
    "fewer layers": failed_record(replace(SMALLER, change={}, overrides={"num_hidden_layers": 4})),
    "overrides": replace(
        make_record(),
        measurement=replace(
            make_record().measurement,
            model=replace(make_record().measurement.model, overrides={"num_hidden_layers": 4}),
        ),
    ),
}


@pytest.mark.parametrize("name", ["run.json", "run.json.xz"])
@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_round_trip(record, name, tmp_path):
    file = tmp_path / name
    save(record, file)
    assert load(file) == record
    again = tmp_path / f"again-{name}"
    save(load(file), again)
    assert again.read_bytes() == file.read_bytes()


def test_xz_is_smaller_and_known_by_its_content(tmp_path):
    save(make_record(), tmp_path / "run.json")
    save(make_record(), tmp_path / "run.json.xz")
    assert (tmp_path / "run.json.xz").stat().st_size < (tmp_path / "run.json").stat().st_size
    (tmp_path / "renamed.json").write_bytes((tmp_path / "run.json.xz").read_bytes())
    assert load(tmp_path / "renamed.json") == make_record()


def refused(file: Path) -> str:
    with pytest.raises(SourceError) as caught:
        load(file)
    assert caught.value.hint
    assert str(file) in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value.message


def whole(tmp_path: Path) -> dict:
    save(make_record(), tmp_path / "whole.json")
    return json.loads((tmp_path / "whole.json").read_text())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it does not say that it is one"),
        (b'{"model_type": "llama"}', "it does not say that it is one"),
        (b"\x1f\x8b", "it is not JSON"),
        (b"\x1f\x8bnonsense, and some more of it", "it is not JSON"),
        (lzma.compress(b"{}"), "it does not say that it is one"),
        (lzma.compress(bytes(range(256)) * 99)[:200], "it is not JSON"),
        (lzma.compress(b"{}")[:-9] + b"\xff" * 9, "it is not JSON"),
        (json.dumps({"kind": KIND}).encode(), "its format is version"),
    ],
)
def test_what_is_no_saved_run(content, why, tmp_path):
    file = tmp_path / "run.json"
    file.write_bytes(content)
    assert f"{file} is not a saved run: {why}" in refused(file)


def test_other_versions_are_named(tmp_path):
    file = tmp_path / "run.json"
    file.write_text(json.dumps(whole(tmp_path) | {"format_version": FORMAT_VERSION + 1}))
    assert f"its format is version {FORMAT_VERSION + 1}, this program reads {FORMAT_VERSION}" in refused(file)
    data = whole(tmp_path)
    data["prediction"]["timeline"]["format_version"] = 99
    file.write_text(json.dumps(data))
    assert "timeline format 99" in refused(file)


@pytest.mark.parametrize(
    "path",
    [
        ("labels",),
        ("measurement",),
        ("prediction",),
        *(("measurement", name) for name in ("machine", "model", "recipe", "phases", "observed", "kernels")),
        ("measurement", "observed", "trace"),
        ("prediction", "timeline"),
        ("prediction", "timeline", "marks"),
        ("prediction", "assumptions"),
    ],
    ids=".".join,
)
@pytest.mark.parametrize("how", ["missing", "null"])
def test_an_incomplete_file_is_refused(path, how, tmp_path):
    data = whole(tmp_path)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    if how == "missing":
        del inner[path[-1]]
    else:
        inner[path[-1]] = None
    file = tmp_path / "run.json"
    file.write_text(json.dumps(data))
    refused(file)


def test_a_recipe_that_no_longer_exists_is_refused(tmp_path):
    data = whole(tmp_path)
    data["measurement"]["recipe"]["optimiser"] = "adam"
    file = tmp_path / "run.json"
    file.write_text(json.dumps(data))
    assert "optimiser" in refused(file)


def test_files_that_cannot_be_touched(tmp_path):
    assert "No such file" in refused(tmp_path / "missing.json")
    assert "Is a directory" in refused(tmp_path)
    with pytest.raises(SourceError, match="cannot be written"):
        save(make_record(), tmp_path / "missing" / "run.json")
