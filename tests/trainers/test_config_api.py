"""A trainer's file from Python: `api.read_config`, `api.plan(config=...)`."""

import json

import pytest
from tiny_models import TINY_LLAMA

from anatomy import api
from anatomy.errors import RecipeError

GPU = "A100 80GB SXM"


@pytest.fixture
def tiny(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(TINY_LLAMA))
    return str(folder)


@pytest.fixture
def config(tmp_path, tiny):
    """A LLaMA-Factory file without a length: 2,048 by default, where the tiny model's table takes 8,192."""
    file = tmp_path / "sft.yaml"
    file.write_text(
        f"model_name_or_path: {tiny}\ntemplate: qwen\nlora_rank: 4\nper_device_train_batch_size: 1\n"
    )
    return file


def test_options_win_over_the_file(config):
    plan = api.plan(config=config, r=2, seq_len=16, gpu=GPU)
    assert (plan.recipe.r, plan.recipe.seq_len) == (2, 16)
    assert plan.to_dict()["config"]["overridden"] == ["r", "seq_len"]


def test_a_file_that_was_read_is_as_good_as_its_path(config):
    found = api.read_config(config)
    assert (
        api.plan(config=found, seq_len=16, gpu=GPU).to_dict()
        == api.plan(config=str(config), seq_len=16, gpu=GPU).to_dict()
    )


def test_a_trainers_defaults_give_way_to_the_model_and_what_the_file_says_does_not(tmp_path):
    short = tmp_path / "gpt2"
    short.mkdir()
    tiny = {
        "model_type": "gpt2",
        "n_layer": 1,
        "n_head": 2,
        "n_embd": 16,
        "n_positions": 64,
        "vocab_size": 128,
    }
    (short / "config.json").write_text(json.dumps({**tiny, "architectures": ["GPT2LMHeadModel"]}))
    file = tmp_path / "sft.yaml"
    text = "template: qwen\nfinetuning_type: full\nbf16: true\n"
    file.write_text(text)
    plan = api.plan(str(short), config=file, gpu=GPU)
    assert plan.recipe.seq_len == 64
    assert "seq_len" in plan.adapted
    assert plan.to_dict()["config"]["overridden"] == []
    file.write_text(text + "cutoff_len: 128\n")
    with pytest.raises(RecipeError, match="64"):
        api.plan(str(short), config=file, gpu=GPU)


def test_a_model_has_to_be_named_somewhere(tmp_path):
    file = tmp_path / "arguments.json"
    file.write_text('{"output_dir": "out", "bf16": true}')
    with pytest.raises(RecipeError, match="names none"):
        api.plan(config=file)
    with pytest.raises(RecipeError, match="No model is named"):
        api.plan()


def test_changes_of_the_models_config_are_part_of_the_plan(tmp_path, tiny):
    file = tmp_path / "axolotl.yml"
    file.write_text(
        f"base_model: {tiny}\nmodel_config: {{num_hidden_layers: 1}}\nsequence_len: 16\nmicro_batch_size: 1\n"
    )
    plan = api.plan(config=file, gpu=GPU)
    assert plan.model.overrides == {"num_hidden_layers": 1}
    assert plan.total_parameters < api.plan(tiny, seq_len=16, gpu=GPU, method="full").total_parameters
