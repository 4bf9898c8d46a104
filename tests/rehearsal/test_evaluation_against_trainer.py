"""The evaluation is the Trainer's: a real `Trainer.evaluate()` on the CPU peaks where `training.evaluation` does."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from families import make, tiny_recipe
from torch.profiler import ProfilerActivity, profile

from anatomy.training.evaluation import evaluation_of
from anatomy.training.inputs.batch import plan_batch
from anatomy.training.losses.apply import apply_loss, loss_of
from anatomy.training.recipe import Recipe
from anatomy.training.step import prepare

NO_OPTIMIZER = torch.optim.SGD([torch.zeros(1, requires_grad=True)])


def peak_of(call: Callable[[], object]) -> int:
    """The highest level above that at the beginning."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    level = peak = 0
    for event in sorted(profiler.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            level += event.nbytes()
            peak = max(peak, level)
    return peak


def ours(family: str, recipe: Recipe) -> int:
    model = make(family, "cpu")
    evaluation = evaluation_of(model, recipe)
    assert evaluation is not None
    apply_loss(model, recipe)
    run = prepare(model, NO_OPTIMIZER, recipe, evaluation.make_batch, "cpu")
    run.loss = loss_of(recipe)
    return peak_of(lambda: evaluation.run(run, lambda phase: None))


def trainers(family: str, recipe: Recipe, folder: Path) -> int:
    from transformers import Trainer, TrainingArguments

    model = make(family, "cpu")
    batch = plan_batch(model, recipe).make()
    rows = [{name: tensor[0] for name, tensor in batch.items()}] * (
        recipe.eval_batches * recipe.eval_batch_size
    )
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        per_device_eval_batch_size=recipe.eval_batch_size,
        label_smoothing_factor=recipe.label_smoothing,
        bf16=recipe.precision == "bf16-mixed",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    metrics: Any = (lambda prediction: {}) if recipe.eval_keep_logits else None
    trainer = Trainer(model=model, args=arguments, eval_dataset=rows, compute_metrics=metrics)
    model.config.use_cache = False  # as `train` does first
    return peak_of(trainer.evaluate)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"eval_keep_logits": True},
        {"eval_keep_logits": True, "eval_batches": 1},
        {"eval_keep_logits": True, "precision": "bf16-mixed"},
        {"eval_keep_logits": True, "label_smoothing": 0.1},
    ],
    ids=lambda changes: "-".join(map(str, changes)) or "losses",
)
@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_peaks_of_a_real_evaluation(family: str, changes: dict[str, Any], tmp_path: Path) -> None:
    recipe = tiny_recipe(family, **{"eval_batches": 5, "eval_batch_size": 4, **changes})
    real, expected = trainers(family, recipe, tmp_path), ours(family, recipe)
    # The Trainer's data loader holds the batch on the host as well: some hundred bytes of ids.
    assert real == pytest.approx(expected, abs=4096)
