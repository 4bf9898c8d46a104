"""Which GGUF files a run can be planned of: those whose class, built by their metadata, has their parameters."""

import sys
from pathlib import Path
from typing import Any

import pytest

from anatomy.api.description import trainable_description
from anatomy.architecture.anatomy import anatomy_from
from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import ArchitectureError
from anatomy.source.gguf_config import _KEYS, _MODEL_TYPES

sys.path.insert(0, str(Path(__file__).parents[1] / "source"))
from gguf_files import LLAMA, gguf, llama

SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 128,
}
EXPERTS = {"num_experts": 4, "moe_intermediate_size": 32, "num_experts_per_tok": 2}
OWN: dict[str, dict[str, Any]] = {
    "qwen3": {"head_dim": 32},
    "qwen2moe": {**EXPERTS, "shared_expert_intermediate_size": 48},
    "qwen3moe": {**EXPERTS, "head_dim": 32},
    "gemma2": {"head_dim": 32},
    "gemma3": {"head_dim": 32},
    "phi3": {"vocab_size": 32_064},  # its class has a padding token of number 32,000
    "llama": {"tie_word_embeddings": False},
}


@pytest.mark.parametrize("architecture", _MODEL_TYPES)
def test_a_file_of_each_mapped_architecture_can_be_planned(tmp_path, architecture):
    """Its tensors are those of the class, named by llama.cpp's table; its metadata the config's numbers by their keys."""
    package = pytest.importorskip("gguf", reason="the table of names is gguf-py's")
    config = {"model_type": _MODEL_TYPES[architecture], **SMALL, **OWN.get(architecture, {})}
    model = anatomy_from(Blueprint(id="m", origin=Origin(kind="file", location="m"), config=config))
    arch = next(key for key, name in package.MODEL_ARCH_NAMES.items() if name == architecture)
    names = package.get_tensor_name_map(arch, 2)
    tensors = []
    for node in model.tree.walk():
        for own in node.own:
            path = f"{node.path}.{own.name}".replace(".experts.gate_up_proj", ".experts.gate_proj")
            name = names.get_name(path, try_suffixes=(".weight", ".bias"))
            tensors.append((name, "F32", list(own.shape[::-1])))
    metadata = {"general.architecture": architecture}
    metadata |= {f"{architecture}.{key}": config[name] for key, name in _KEYS.items() if name in config}
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(metadata, tensors))
    blueprint = trainable_description(str(path), None, None)
    built = anatomy_from(Blueprint(id="m", origin=blueprint.origin, config=blueprint.config))
    assert built.by_component == model.by_component
    assert any("planned dense" in note for note in blueprint.notes)


def refusal(tmp_path: Path, metadata: dict[str, Any], tensors: list[Any]) -> ArchitectureError:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(metadata, tensors))
    with pytest.raises(ArchitectureError) as caught:
        trainable_description(str(path), None, None)
    return caught.value


def test_an_architecture_that_is_not_mapped_is_refused(tmp_path):
    said = refusal(
        tmp_path,
        {"general.architecture": "novel", "general.base_model.0.repo_url": "https://huggingface.co/org/base"},
        llama(),
    )
    assert "not mapped to a class" in said.message
    assert said.hint == "plan org/base: name its hub id, folder or config.json"


def test_a_class_with_other_parameters_than_the_file_is_refused(tmp_path):
    said = refusal(tmp_path, LLAMA, [*llama(), ("blk.0.attn_q.bias", "F32", [256])])
    assert "attention.query 131,072 and 131,328" in said.message


def test_facts_set_by_hand_make_another_model(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(LLAMA, llama()))
    blueprint = trainable_description(str(path), {"num_hidden_layers": 4}, None)
    assert blueprint.tensors is None
    assert (blueprint.config or {})["num_hidden_layers"] == 4
