"""Adapters on disk and on the hub, and where their base is looked for."""

import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints import checkpoint
from loopback_hub import COMMIT, LoopbackHub

from anatomy.source import load

WEIGHTS = checkpoint(
    {
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": ("F32", [8, 64]),
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": ("F32", [64, 8]),
    }
)
BASE = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 1}


def settings(base: Any) -> bytes:
    return json.dumps({"peft_type": "LORA", "r": 8, "base_model_name_or_path": base}).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(WEIGHTS)
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(BASE))
    return folder


def test_a_folder_s_adapter_stands_on_its_base(folder, base):
    (folder / "adapter_config.json").write_bytes(settings(str(base)))
    blueprint = load(str(folder))
    assert blueprint.config is None
    assert [tensor.shape for tensor in blueprint.tensors or ()] == [(8, 64), (64, 8)]
    assert blueprint.adapter is not None
    assert blueprint.adapter.config["r"] == 8
    assert blueprint.adapter.base is not None
    assert blueprint.adapter.base.config == BASE
    assert blueprint.notes == ()


def test_a_base_of_the_catalog_needs_no_network(folder):
    (folder / "adapter_config.json").write_bytes(settings("meta-llama/Llama-3.1-8B"))
    adapter = load(str(folder)).adapter
    assert adapter is not None
    assert adapter.base is not None
    assert adapter.base.origin.kind in ("catalog", "cache")


@pytest.mark.parametrize(
    "name", ["../../x", "/absent/model", "a b", "x\0y", "https://example.org/x", "a/b/c"]
)
def test_a_base_that_cannot_be_read_leaves_the_adapter(folder, name):
    (folder / "adapter_config.json").write_bytes(settings(name))
    blueprint = load(str(folder))
    assert blueprint.adapter is not None
    assert blueprint.adapter.base is None
    assert "shown alone" in blueprint.notes[0]


@pytest.mark.parametrize("name", [None, "", 7, ["org/name"]])
def test_a_base_that_is_not_named_is_said(folder, name):
    (folder / "adapter_config.json").write_bytes(settings(name))
    assert "does not say which model" in load(str(folder)).notes[0]


def test_an_adapter_of_an_adapter_is_followed_no_further(folder, tmp_path):
    (folder / "adapter_config.json").write_bytes(settings(str(folder)))
    assert "an adapter itself" in load(str(folder)).notes[0]


def test_pickled_weights_are_never_opened(folder, base):
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    (folder / "adapter_config.json").write_bytes(settings(str(base)))
    blueprint = load(str(folder))
    assert blueprint.tensors is None
    assert "pickles" in blueprint.notes[0]
    assert blueprint.adapter is not None
    assert blueprint.adapter.base is not None


def test_a_model_beside_an_adapter_is_the_model(folder, base):
    (folder / "adapter_config.json").write_bytes(settings(str(base)))
    (folder / "config.json").write_text(json.dumps(BASE))
    (folder / "model.safetensors").write_bytes(checkpoint({"w": ("BF16", [2])}))
    blueprint = load(str(folder))
    assert blueprint.adapter is None
    assert blueprint.config == BASE


def test_on_the_hub_and_afterwards_without_it(hub: LoopbackHub):
    files = {"adapter_config__json": settings("org/base"), "adapter_model__safetensors": WEIGHTS}
    hub.repository("org/adapter", **files)
    hub.repository("org/base", config__json=json.dumps(BASE).encode())
    online = hub.load("org/adapter")
    assert online["origin"] == {"kind": "hub", "location": "org/adapter", "revision": COMMIT}
    assert online["adapter"]["base"]["config"] == BASE
    offline = hub.load("org/adapter", {"HF_HUB_OFFLINE": "1"})
    assert offline["tensors"] == online["tensors"]
    assert offline["adapter"]["base"]["config"] == BASE


def test_an_adapter_from_elsewhere_leads_to_no_path(hub: LoopbackHub, base):
    hub.repository(
        "org/adapter", adapter_config__json=settings(str(base)), adapter_model__safetensors=WEIGHTS
    )
    answer = hub.load("org/adapter")
    assert answer["adapter"]["base"] is None
    assert "shown alone" in answer["notes"][0]
