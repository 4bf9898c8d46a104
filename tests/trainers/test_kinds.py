"""Whose file it is, told by its keys; and what is said of keys that nobody knows."""

import pytest

from anatomy.errors import RecipeError
from anatomy.trainers.kinds import KINDS

FILES = {
    "axolotl": {"base_model": "m", "adapter": "lora", "sequence_len": 8, "micro_batch_size": 1, "learning_rate": 1e-4},
    "llamafactory": {"model_name_or_path": "m", "template": "qwen", "cutoff_len": 8, "learning_rate": 1e-4, "bf16": True},
    "trl": {"model_name_or_path": "m", "dataset_name": "d", "use_peft": True, "lora_r": 8, "bf16": True},
    "transformers": {"output_dir": "out", "per_device_train_batch_size": 1, "bf16": True},
    "accelerate": {"compute_environment": "LOCAL_MACHINE", "mixed_precision": "bf16", "num_processes": 1},
    "anatomy": {"method": "qlora", "r": 8, "seq_len": 128},
}  # fmt: skip


def test_every_kind_is_tried():
    assert FILES.keys() == {*KINDS}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("name", ["a.yml", "recipe.toml", "axolotl.json"])
def test_keys_tell_the_kind_not_the_name(reading, kind, name):
    assert reading(FILES[kind], name=name).kind == kind


@pytest.mark.parametrize("kind", FILES)
def test_a_few_unknown_keys_do_not_matter(reading, kind):
    if kind != "anatomy":
        found = reading({**FILES[kind], "my_own_key": 1})
        assert found.kind == kind
        assert [key.name for key in found.of("not understood")] == ["my_own_key"]


def test_a_close_match_is_offered(reading):
    found = reading({**FILES["axolotl"], "lora_alfa": 16})
    assert found.warnings[0].endswith("lora_alfa is not understood; did you mean lora_alpha?")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"zero_optimization": {}, "train_batch_size": 8, "steps_per_print": 1}, "is not recognised"),
        ({"name": "x", "model": "y", "lr": 1}, "is not recognised"),
        ({"lora_r": 8, "lora_alpha": 16, "load_in_4bit": True}, "trl or axolotl"),
    ],
)
def test_what_nobody_or_several_would_own_is_refused(reading, settings, words):
    with pytest.raises(RecipeError, match=words) as caught:
        reading(settings)
    assert "--config-kind" in caught.value.hint


def test_the_kind_can_be_said(reading):
    settings = {"lora_r": 8, "lora_alpha": 16, "adapter": "lora"}
    assert reading(settings, "axolotl").recipe.r == 8
    with pytest.raises(RecipeError, match="'axolotle' is not a kind"):
        reading(settings, "axolotle")


def test_a_recipe_of_our_own_is_checked_as_one(reading):
    with pytest.raises(RecipeError, match="r is '8', but must be an integer"):
        reading({"method": "lora", "r": "8"})
    with pytest.raises(RecipeError, match="'sequence_len' is not a setting"):
        reading({"method": "lora", "r": 8, "sequence_len": 4})


def test_every_value_can_be_written_as_json(reading):
    import json

    text = "base_model: m\nadapter: lora\nsequence_len: 8\ndatasets: !!set {a, b}\nseed: .nan\noutput_dir: 2024-01-01\n"
    found = reading(text)
    assert json.loads(json.dumps(found.to_dict(found.recipe), allow_nan=False))["kind"] == "axolotl"
