"""A Trainer set up by hand as a Recipe describes it: the same run told twice."""

from pathlib import Path
from typing import Any

import torch
from families import make
from transformers import Trainer, TrainingArguments

from anatomy.training.inputs.batch import plan_batch
from anatomy.training.methods import apply_method
from anatomy.training.recipe import Recipe

STEPS = 3


def live_model(recipe: Recipe, family: str = "llama") -> Any:
    """A model with weights, the recipe's method applied; checkpointing is left to the Trainer."""
    torch.manual_seed(0)
    model = make(family, "cpu").to(getattr(torch, recipe.weight_dtype))
    return apply_method(model, recipe)


def rows_of(model: Any, recipe: Recipe, count: int) -> list[dict[str, torch.Tensor]]:
    """Rows with the shapes of the recipe's batch and random ids, each its own."""
    batch = plan_batch(getattr(model, "get_base_model", lambda: model)(), recipe).make()
    torch.manual_seed(1)
    rows = []
    for _ in range(count):
        row = {name: tensor[0].clone() for name, tensor in batch.items()}
        row["input_ids"] = torch.randint(10, 500, row["input_ids"].shape)
        row["labels"] = row["input_ids"].clone()
        rows.append(row)
    return rows


def arguments(folder: Path, recipe: Recipe, **more: Any) -> TrainingArguments:
    checkpointing = recipe.gradient_checkpointing
    settings: dict[str, Any] = {
        "output_dir": str(folder),
        "use_cpu": True,
        "max_steps": STEPS,
        "per_device_train_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": recipe.grad_accum,
        "optim": recipe.optimizer,
        "max_grad_norm": recipe.max_grad_norm,
        "bf16": recipe.precision == "bf16-mixed",
        "gradient_checkpointing": checkpointing != "off",
        "gradient_checkpointing_kwargs": {"use_reentrant": checkpointing == "reentrant"},
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
    return TrainingArguments(**{**settings, **more})


def trainer_of(
    folder: Path,
    recipe: Recipe,
    callbacks: list[Any],
    *,
    model: Any = None,
    rows: Any = None,
    kind: type = Trainer,
    trainer: dict[str, Any] | None = None,
    **more: Any,
) -> Any:
    """`trainer`: further arguments of the Trainer; `more`: further TrainingArguments."""
    model = live_model(recipe) if model is None else model
    count = STEPS * recipe.batch_size * recipe.grad_accum + 4
    made = kind(
        model=model,
        args=arguments(folder, recipe, **more),
        train_dataset=rows_of(model, recipe, count) if rows is None else rows,
        callbacks=callbacks,
        **(trainer or {}),
    )
    from transformers.trainer_callback import PrinterCallback

    made.remove_callback(PrinterCallback)
    return made
