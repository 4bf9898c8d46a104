"""No file outside the folder that was named is opened, whatever names and links say."""

import json
import os
from pathlib import Path

import pytest
from checkpoints import checkpoint, index
from gguf_files import LLAMA, gguf, llama

from anatomy.errors import SourceError
from anatomy.source import load
from anatomy.source.inside import inside

TINY = checkpoint({"w": ("BF16", [2, 2])})
CONFIG = json.dumps({"model_type": "llama"})


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "config.json").write_text(CONFIG)
    (folder / "model.safetensors").write_bytes(TINY)
    (folder / "model.gguf").write_bytes(gguf(LLAMA, llama()))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "model.gguf"])
def test_a_link_that_leads_out_is_not_followed(folder, outside, name):
    (folder / name).symlink_to(outside / name)
    with pytest.raises(SourceError, match="leads out of its folder") as caught:
        load(str(folder))
    assert caught.value.hint


def test_nor_is_one_that_an_index_names(folder, outside):
    (folder / "model.safetensors.index.json").write_bytes(index({"w": "shard.safetensors"}))
    (folder / "shard.safetensors").symlink_to("../outside/model.safetensors")
    with pytest.raises(SourceError, match="leads out of its folder"):
        load(str(folder))


@pytest.mark.parametrize(
    "name",
    [
        "../outside/model.safetensors",
        "/etc/x.safetensors",
        "a/b.safetensors",
        "..\\x.safetensors",
        "c:x.safetensors",
        *("x.safetensors\0", "x.bin", "", 3, None, ["x.safetensors"], "x" * 300 + ".safetensors"),
    ],
)
def test_an_index_names_files_beside_it_alone(folder, outside, name):
    (folder / "model.safetensors.index.json").write_bytes(index({"w": name}))
    with pytest.raises(SourceError, match="not the name of a safetensors file"):
        load(str(folder))


def test_a_link_that_the_user_names_is_followed(folder, outside):
    (folder / "here").symlink_to(outside)
    (folder / "mine.gguf").symlink_to(outside / "model.gguf")
    (folder / "mine.safetensors").symlink_to(outside / "model.safetensors")
    assert load(str(folder / "here")).config == json.loads(CONFIG)
    assert load(str(folder / "mine.gguf")).tensors
    assert load(str(folder / "mine.safetensors")).tensors


def test_a_link_within_the_folder_is_followed(folder):
    (folder / "weights").mkdir()
    (folder / "weights" / "w").write_bytes(TINY)
    (folder / "model.safetensors").symlink_to("weights/w")
    assert load(str(folder)).tensors


def test_links_of_the_hub_s_cache_lead_to_its_blobs(tmp_path, outside):
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / "digest").write_bytes(TINY)
    (snapshot / "model.safetensors").symlink_to("../../blobs/digest")
    assert load(str(snapshot)).tensors
    (snapshot / "config.json").symlink_to(outside / "config.json")
    with pytest.raises(SourceError, match="leads out of its folder"):
        load(str(snapshot))


def test_a_folder_called_like_it_is_another(tmp_path):
    (tmp_path / "model-2").mkdir()
    (tmp_path / "model").mkdir()
    with pytest.raises(SourceError):
        inside(tmp_path / "model", "../model-2/x")


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "model.gguf", "model.safetensors.index.json"]
)
def test_a_pipe_is_not_waited_for(folder, name):
    os.mkfifo(folder / name)
    with pytest.raises(SourceError):
        load(str(folder))
    with pytest.raises(SourceError):
        load(str(folder / name))
