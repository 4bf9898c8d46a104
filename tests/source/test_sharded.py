import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints import checkpoint, index

from anatomy.errors import SourceError
from anatomy.source import load

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards, three tensors, and an index that lists them all."""
    (tmp_path / FIRST).write_bytes(checkpoint({"embed": ("BF16", [8, 4]), "a": ("BF16", [4, 4])}))
    (tmp_path / SECOND).write_bytes(checkpoint({"b": ("F32", [4])}))
    (tmp_path / "model.safetensors.index.json").write_bytes(index({"embed": FIRST, "a": FIRST, "b": SECOND}))
    return tmp_path


@pytest.mark.parametrize("reference", ["", "model.safetensors.index.json"])
def test_shards_are_read_together(folder: Path, reference: str) -> None:
    blueprint = load(str(folder / reference))
    assert blueprint.tensors is not None
    assert {tensor.name: tensor.file for tensor in blueprint.tensors} == {
        "embed": FIRST,
        "a": FIRST,
        "b": SECOND,
    }
    assert sum(tensor.stored_bytes for tensor in blueprint.tensors) == 64 + 32 + 16
    assert blueprint.config is None


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / SECOND).unlink()
    with pytest.raises(SourceError, match=f"names files that are missing: {SECOND}"):
        load(str(folder))


def test_a_tensor_that_no_shard_stores_is_named(folder: Path) -> None:
    listed = {"embed": FIRST, "a": SECOND, "b": SECOND, "ghost": SECOND}
    (folder / "model.safetensors.index.json").write_bytes(index(listed))
    with pytest.raises(SourceError, match="do not store: a, ghost"):
        load(str(folder))


def test_a_tensor_that_the_index_does_not_list_is_left_out_and_said(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_bytes(index({"embed": FIRST, "b": SECOND}))
    blueprint = load(str(folder))
    assert blueprint.tensors is not None
    assert [tensor.name for tensor in blueprint.tensors] == ["embed", "b"]
    assert "does not list 1 stored tensors, left out: a" in blueprint.notes[0]


def test_a_damaged_shard_is_an_error(folder: Path) -> None:
    (folder / SECOND).write_bytes((folder / SECOND).read_bytes()[:-1])
    with pytest.raises(SourceError, match=f"{SECOND} holds 15 bytes of data where its header describes 16"):
        load(str(folder))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([], "not an object"),
        ({}, "has no weight_map"),
        ({"weight_map": {}}, "has no weight_map"),
        ({"weight_map": ["a"]}, "has no weight_map"),
        ({"weight_map": {"a": 1}}, "stores 'a' in 1"),
        ({"weight_map": {"a": "../../secret.safetensors"}}, "not the name of a safetensors file"),
        ({"weight_map": {"a": "/secret.safetensors"}}, "not the name of a safetensors file"),
        ({"weight_map": {"a": "c:\\secret.safetensors"}}, "not the name of a safetensors file"),
        ({"weight_map": {"a": "pytorch_model.bin"}}, "not the name of a safetensors file"),
        ({"weight_map": {str(i): f"{i}.safetensors" for i in range(10_001)}}, "names 10,001 files"),
    ],
)
def test_an_index_that_cannot_be_right_is_refused(folder: Path, content: Any, fault: str) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))
    with pytest.raises(SourceError, match=fault) as caught:
        load(str(folder))
    assert caught.value.hint


def test_shards_that_count_themselves_need_no_index(folder: Path) -> None:
    (folder / "model.safetensors.index.json").unlink()
    blueprint = load(str(folder))
    assert blueprint.tensors is not None
    assert len(blueprint.tensors) == 3
    (folder / SECOND).unlink()
    (folder / "model-00003-of-00003.safetensors").write_bytes(checkpoint({"c": ("F32", [1])}))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    blueprint = load(str(folder))
    assert blueprint.tensors is None
    assert "several safetensors files and no index" in blueprint.notes[0]


def test_a_shard_short_of_its_own_count_is_refused(folder: Path) -> None:
    (folder / "model.safetensors.index.json").unlink()
    (folder / "model-00001-of-00002.safetensors").rename(folder / "model-00001-of-00003.safetensors")
    (folder / SECOND).rename(folder / "model-00002-of-00003.safetensors")
    with pytest.raises(SourceError, match="holds 2 of 3 shards"):
        load(str(folder))


def test_one_name_in_two_shards_is_ambiguous_without_an_index(folder: Path) -> None:
    (folder / "model.safetensors.index.json").unlink()
    (folder / SECOND).write_bytes(checkpoint({"a": ("F32", [4])}))
    with pytest.raises(SourceError, match="same name in several files"):
        load(str(folder))
