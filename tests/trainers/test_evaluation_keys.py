"""Evaluation as each trainer's file asks for it."""

import pytest

from anatomy.trainers.evaluation import ASSUMED

EVERY_EPOCH = {"eval_strategy": "epoch"}


@pytest.mark.parametrize(
    ("kind", "said", "batches", "size", "every"),
    [
        ("transformers", {"optim": "sgd"}, 0, None, None),
        ("transformers", {"eval_strategy": "no", "per_device_eval_batch_size": 4}, 0, None, None),
        ("transformers", EVERY_EPOCH, 2, 8, None),
        ("transformers", {"do_eval": True, "per_device_eval_batch_size": 4}, 2, 4, None),
        ("transformers", {"evaluation_strategy": "steps", "per_gpu_eval_batch_size": 2}, 2, 2, None),
        ("trl", {"max_length": 512, **EVERY_EPOCH, "eval_accumulation_steps": 16}, 2, 8, 16),
        ("llamafactory", {"stage": "sft", **EVERY_EPOCH, "per_device_eval_batch_size": 1}, 2, 1, None),
        ("llamafactory", {"stage": "dpo", **EVERY_EPOCH}, 0, None, None),
        ("axolotl", {"base_model": "m", "val_set_size": 0.0}, 0, None, None),
        ("axolotl", {"base_model": "m", "val_set_size": 0.05, "micro_batch_size": 3}, 2, 3, None),
        ("axolotl", {"base_model": "m", "val_set_size": 0.05, "eval_batch_size": 5}, 2, 5, None),
        ("axolotl", {"base_model": "m", "val_set_size": 0.05, "eval_strategy": "no"}, 0, None, None),
        ("axolotl", {"base_model": "m", "test_datasets": [{"path": "x"}], "rl": "dpo"}, 0, None, None),
    ],
)
def test_settings(reading, kind, said, batches, size, every):
    found = reading(said, kind)
    recipe = found.recipe
    assert recipe.eval_batches == batches
    assert not recipe.eval_keep_logits
    if batches:
        assert (recipe.eval_batch_size, recipe.eval_accumulation_steps) == (size, every)
    assert (ASSUMED in found.assumed) is bool(batches)


def test_a_batch_size_without_evaluations_changes_nothing(reading):
    found = reading({"per_device_eval_batch_size": 64, "optim": "sgd"}, "transformers")
    (key,) = [key for key in found.keys if key.name == "per_device_eval_batch_size"]
    assert key.fate == "ignored"
