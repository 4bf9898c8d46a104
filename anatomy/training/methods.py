"""What a method does to the model: a table, each row the real library's own call."""

import re
from collections.abc import Callable
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.recipe import ALL_LINEAR, Method, Recipe


def apply_method(model: Any, recipe: Recipe) -> Any:
    """`model` made ready to be trained by the recipe's method; returns the module to call.

    Raises RecipeError where the method does not apply, e.g. when the target modules match nothing.
    """
    return METHODS[recipe.method](model, recipe)


def choose_attention(model: Any, recipe: Recipe) -> None:
    """Switch to flash_attention_2, which cannot be asked for at build time without its package.

    Raises RecipeError where the model or the precision does not allow it, as transformers and the package would.
    """
    if recipe.attn != "flash_attention_2":
        return
    if not getattr(model, "_supports_flash_attn", False):
        raise RecipeError(
            f"{type(model).__name__} does not support flash_attention_2.", hint="use --attn sdpa"
        )
    if recipe.precision == "fp32":
        raise RecipeError(
            "flash_attention_2 does not run in fp32.", hint="use --precision bf16 or --attn sdpa"
        )
    for config in {id(m.config): m.config for m in model.modules() if hasattr(m, "config")}.values():
        config._attn_implementation_internal = "flash_attention_2"


def enable_checkpointing(model: Any, recipe: Recipe) -> None:
    """Switch gradient checkpointing on as the Trainer does. Raises RecipeError where the model cannot."""
    if recipe.gradient_checkpointing == "off":
        return
    if not getattr(model, "supports_gradient_checkpointing", False):
        raise RecipeError(
            f"{type(model).__name__} does not support gradient checkpointing.",
            hint="add --no-gradient-checkpointing",
        )
    kwargs = {"use_reentrant": recipe.gradient_checkpointing == "reentrant"}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=kwargs)
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=kwargs)


def _full(model: Any, recipe: Recipe) -> Any:
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    enable_checkpointing(model, recipe)
    return model


def _lora(model: Any, recipe: Recipe) -> Any:
    from peft import get_peft_model

    config = _lora_config(model, recipe)
    names = _adaptable_names(model)
    enable_checkpointing(model, recipe)
    if recipe.gradient_checkpointing == "reentrant":
        # Reentrant checkpoints lose the gradient unless their input asks for one; PEFT does this on its own only
        # for a base that is not quantized.
        model.enable_input_require_grads()
    try:
        return get_peft_model(model, config)
    except ValueError as error:  # PEFT's own refusals are sentences for users
        refused = str(error).strip().splitlines()[0].rstrip(".")
        others = ",".join(name for name in names if repr(name) not in refused)
        raise RecipeError(
            f"PEFT does not apply LoRA here: {refused}.", hint=f"use --target-modules {others}"
        ) from error


def _qlora(model: Any, recipe: Recipe) -> Any:
    if recipe.kbit_prepare:
        from peft import prepare_model_for_kbit_training

        prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return _lora(model, recipe)


METHODS: dict[Method, Callable[[Any, Recipe], Any]] = {"full": _full, "lora": _lora, "qlora": _qlora}


def _lora_config(model: Any, recipe: Recipe) -> Any:
    from peft import LoraConfig

    targets = recipe.target_modules
    _check_targets(model, targets)
    return LoraConfig(
        r=recipe.r,
        lora_alpha=recipe.alpha if recipe.alpha is not None else 2 * recipe.r,
        lora_dropout=recipe.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type=_task_type(model),
    )


def _task_type(model: Any) -> str | None:
    """PEFT's task, where it changes anything: classification keeps its new head trainable."""
    name = type(model).__name__
    if name.endswith("ForSequenceClassification"):
        return "SEQ_CLS"
    if name.endswith("ForTokenClassification"):
        return "TOKEN_CLS"
    return None


def _check_targets(model: Any, targets: str | tuple[str, ...]) -> None:
    """Refuse targets that match nothing, with what would match."""
    linear = _adaptable_names(model)
    if targets == ALL_LINEAR:
        if not linear:
            raise RecipeError(f"{type(model).__name__} has no linear layer for LoRA to adapt.")
        return
    paths = [path for path, _ in model.named_modules()]
    wanted = (targets,) if isinstance(targets, str) else targets
    for target in wanted:
        found = (
            any(re.fullmatch(target, path) for path in paths)
            if isinstance(targets, str)
            else any(path == target or path.endswith(f".{target}") for path in paths)
        )
        if not found:
            raise RecipeError(
                f"target module {target!r} matches nothing in {type(model).__name__}.",
                hint=f"these would: {', '.join(linear)}",
            )


def _adaptable_names(model: Any) -> list[str]:
    """Last names of the layers that LoRA can adapt, e.g. ['down_proj', 'q_proj']."""
    return sorted({path.rpartition(".")[2] for path, module in model.named_modules() if _adaptable(module)})


def _adaptable(module: Any) -> bool:
    return any(c.__name__ in ("Linear", "Conv1D") for c in type(module).__mro__)
