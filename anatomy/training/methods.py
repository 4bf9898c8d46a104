"""What a method does to the model: every weight trained, or the real library's adapters."""

from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.adapters import add_adapters
from anatomy.training.checkpointing import enable_checkpointing
from anatomy.training.partial import train_weights
from anatomy.training.quantized import kbit
from anatomy.training.recipe import Recipe


def apply_method(model: Any, recipe: Recipe, *, moves: bool = True) -> Any:
    """`model` made ready to be trained by the recipe's method; returns the module to call.

    `moves`: whether the trainer then moves everything to the model's device, as the Trainer does; some adapters leave
    buffers on the host.

    Raises RecipeError where the method does not apply, e.g. when the target modules match nothing.
    """
    return _adapters(model, recipe, moves) if recipe.uses_adapters else _weights(model, recipe)


def choose_attention(model: Any, recipe: Recipe) -> None:
    """Switch to flash_attention_2, which cannot be asked for at build time without its package.

    Raises RecipeError where the model does not allow it, as transformers would.
    """
    if recipe.attn != "flash_attention_2":
        return
    if not getattr(model, "_supports_flash_attn", False):
        raise RecipeError(
            f"{type(model).__name__} does not support flash_attention_2.", hint="use --attn sdpa"
        )
    for config in {id(m.config): m.config for m in model.modules() if hasattr(m, "config")}.values():
        config._attn_implementation_internal = "flash_attention_2"


def _weights(model: Any, recipe: Recipe) -> Any:
    train_weights(model, recipe)
    enable_checkpointing(model, recipe)
    if recipe.gradient_checkpointing == "reentrant" and recipe.method != "full":
        # Behind frozen embeddings, reentrant checkpoints would lose every gradient.
        model.enable_input_require_grads()
    return model


def _adapters(model: Any, recipe: Recipe, moves: bool) -> Any:
    if recipe.quantized:
        kbit.prepare(model, recipe)
    enable_checkpointing(model, recipe)
    if recipe.gradient_checkpointing == "reentrant":
        # Reentrant checkpoints lose the gradient unless their input asks for one; PEFT does this on its own only
        # for a base that is not quantized.
        model.enable_input_require_grads()
    adapted = add_adapters(model, recipe, moves=moves)
    kbit.finish(adapted, recipe)
    return adapted
