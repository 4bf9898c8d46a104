"""The step is the Trainer's: a real `Trainer.train()` on the CPU peaks where `training.step` does."""

import gc
from pathlib import Path
from typing import Any

import pytest
import torch
from families import make, tiny_recipe
from torch.profiler import ProfilerActivity, profile, record_function

from anatomy.memory.timeline import Phase
from anatomy.training.inputs.batch import plan_batch
from anatomy.training.losses.apply import apply_loss, loss_of
from anatomy.training.methods import apply_method
from anatomy.training.optimizers.build import build_optimizer
from anatomy.training.recipe import Recipe
from anatomy.training.step import prepare, step

STEPS = 3


def peaks(events: Any) -> list[int]:
    """Highest level of each step above the level at its beginning, from marks named 'step'."""
    found: list[int] = []
    level = base = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        if event.name() == "step":
            found.append(peak - base)
            base = peak = level
        elif event.name() == "[memory]":
            level += event.nbytes()
            peak = max(peak, level)
    return found[1:]


def mark() -> None:
    with record_function("step"):
        pass


def ours(family: str, recipe: Recipe) -> list[int]:
    model = make(family, "cpu")
    batch = plan_batch(model, recipe)
    model = apply_method(model, recipe)
    apply_loss(model, recipe)
    run = prepare(model, build_optimizer(model, recipe), recipe, batch.make, "cpu")
    run.loss = loss_of(recipe)

    def enter(phase: Phase) -> None:
        if phase is Phase.FORWARD and not run_state["inside"]:
            mark()
        run_state["inside"] = phase is not Phase.ZERO_GRAD

    run_state = {"inside": False}
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        for _ in range(STEPS):
            step(run, enter)
        mark()
    return peaks(profiler.profiler.kineto_results.events())


def trainers(family: str, recipe: Recipe, folder: Path) -> list[int]:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Marks(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            mark()

        def on_train_end(self, *args: Any, **kwargs: Any) -> None:
            mark()

    model = make(family, "cpu")
    batch = plan_batch(model, recipe).make()
    rows = [{name: tensor[0] for name, tensor in batch.items()}] * (
        STEPS * recipe.batch_size * recipe.grad_accum
    )
    model = apply_method(model, recipe)
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        max_steps=STEPS,
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.grad_accum,
        optim=recipe.optimizer,
        max_grad_norm=recipe.max_grad_norm,
        label_smoothing_factor=recipe.label_smoothing,
        bf16=recipe.precision == "bf16-mixed",
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[Marks()])
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        trainer.train()
    return peaks(profiler.profiler.kineto_results.events())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"grad_accum": 2},
        {"gradient_checkpointing": "non-reentrant"},
        {"method": "lora"},
        {"precision": "bf16-mixed"},
        {"label_smoothing": 0.1},
        {"max_grad_norm": 0.0, "optimizer": "sgd"},
    ],
    ids=lambda c: "-".join(f"{k}={v}" for k, v in c.items()) or "plain",
)
@pytest.mark.parametrize("family", ["llama", pytest.param("bert", marks=pytest.mark.slow)])
def test_peaks_of_a_real_trainer(family: str, changes: dict[str, Any], tmp_path: Path) -> None:
    recipe = tiny_recipe(family, **changes)
    torch.manual_seed(0)
    real, stepped = trainers(family, recipe, tmp_path), ours(family, recipe)
    assert len(real) == len(stepped) == STEPS
    # The Trainer's data loader holds the batch on the host as well: some hundred bytes of ids.
    for seen, expected in zip(real[1:], stepped[1:], strict=True):
        assert seen == pytest.approx(expected, abs=4096, rel=0.002)
