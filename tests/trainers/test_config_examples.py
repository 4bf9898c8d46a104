"""The example files: each is recognised, understood without rest and planned."""

import json
from pathlib import Path

import pytest
from tiny_models import TINY_LLAMA

from anatomy import api

EXAMPLES = Path(__file__).parents[2] / "examples"
KINDS = {
    "axolotl_qlora.yml": "axolotl",
    "llamafactory_lora.yaml": "llamafactory",
    "trl_sft.yaml": "trl",
    "training_arguments.json": "transformers",
    "accelerate.yaml": "accelerate",
    "recipe.toml": "anatomy",
}


def test_every_example_is_here():
    found = {path.name for path in EXAMPLES.iterdir() if path.suffix not in (".py", "")}
    assert {*KINDS} <= found


@pytest.mark.parametrize("name", KINDS)
def test_an_example_is_understood(name):
    found = api.read_config(EXAMPLES / name)
    assert found.kind == KINDS[name]
    assert found.of("used")
    assert found.of("not understood") == ()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "config.json").write_text(json.dumps({**TINY_LLAMA, "max_position_embeddings": 8192}))
    return str(folder)


@pytest.mark.parametrize("name", KINDS)
def test_an_example_is_planned(name, tiny):
    plan = api.plan(tiny, config=EXAMPLES / name, seq_len=64, gpu="A100 80GB SXM")
    said = plan.to_dict()
    assert said["config"]["kind"] == KINDS[name]
    assert said["peak"]["allocated_bytes"] == sum(part["bytes"] for part in said["breakdown"])
    for key in said["config"]["not_modelled"]:
        assert any(key["why"] in text for text in said["not_modelled"])
