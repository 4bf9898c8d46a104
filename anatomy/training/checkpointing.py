"""Gradient checkpointing, switched on as the Trainer does: which blocks, which kind, and where their inputs wait."""

import inspect
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.recipe import Recipe


def enable_checkpointing(model: Any, recipe: Recipe) -> None:
    """Switch gradient checkpointing on where the recipe asks for it. Raises RecipeError where the model cannot."""
    if recipe.gradient_checkpointing == "off":
        return
    if not getattr(model, "supports_gradient_checkpointing", False):
        raise RecipeError(
            f"{type(model).__name__} does not support gradient checkpointing.",
            hint="add --no-gradient-checkpointing",
        )
    modern = hasattr(model, "activation_checkpointing_enable")
    enable = model.activation_checkpointing_enable if modern else model.gradient_checkpointing_enable
    kind = {"use_reentrant": recipe.gradient_checkpointing == "reentrant"}
    name = "activation_checkpointing_kwargs" if modern else "gradient_checkpointing_kwargs"
    enable(**{name: kind}, **_further(enable, recipe))


def _further(enable: Any, recipe: Recipe) -> dict[str, Any]:
    """What only some versions of transformers can do."""
    asked: dict[str, Any] = {}
    if recipe.checkpoint_every > 1:
        asked["every_n_layers"] = recipe.checkpoint_every
    if recipe.checkpoint_offload:
        asked["offload"] = True
    missing = asked.keys() - inspect.signature(enable).parameters.keys()
    if missing:
        raise RecipeError(
            f"The installed transformers has no {' and no '.join(sorted(missing))} for its checkpoints.",
            hint="install a newer transformers, or leave --checkpoint-every and --checkpoint-offload out",
        )
    return asked
