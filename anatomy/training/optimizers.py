"""The optimizer that Hugging Face's Trainer would make, made by the Trainer's own code."""

from types import SimpleNamespace
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.optimizer_names import check_optimizer
from anatomy.training.recipe import Recipe
from anatomy.versions import installed

# TrainingArguments' defaults, for the handlers that read them; none of them changes memory.
_ARGUMENTS = {
    "learning_rate": 5e-5,
    "weight_decay": 0.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "optim_args": None,
    "optim_target_modules": None,
    "parallel_mode": None,
    "gradient_accumulation_steps": 1,
}


def build_optimizer(model: Any, recipe: Recipe) -> Any:
    """The recipe's optimizer over `model`'s trainable parameters, in the Trainer's parameter groups.

    Raises RecipeError for a name that does not exist, or whose package is not installed.
    """
    from transformers import Trainer
    from transformers.training_args import OptimizerNames

    check_optimizer(recipe.optimizer, [name.value for name in OptimizerNames])
    # Only the part of a Trainer that makes optimizers: the rest of its set-up wants data and a device.
    trainer = Trainer.__new__(Trainer)
    trainer.model = model
    trainer.optimizer = None
    trainer.optimizer_cls_and_kwargs = None
    trainer.args = SimpleNamespace(**_ARGUMENTS, optim=OptimizerNames(recipe.optimizer))
    try:
        return trainer.create_optimizer()
    except (ImportError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        package = _package(recipe.optimizer)
        if package is not None and not installed((package,)):
            raise _missing(recipe.optimizer, package) from error
        raise RecipeError(
            f"optimizer {recipe.optimizer!r} cannot be made for this model: {_first_line(error)}.",
            hint="see `anatomy env` for the installed packages; adamw_torch_fused always works",
        ) from error


def state_tensors(optimizer: Any) -> list[Any]:
    """Every tensor in an optimizer's state, whatever shape the state has."""
    import torch

    found: list[Any] = []
    stack: list[Any] = [optimizer.state]
    while stack:
        value = stack.pop()
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, (list, tuple)):
            stack += value
    return found


_PACKAGES = {
    "ademamix": "bitsandbytes",
    "bnb": "bitsandbytes",
    "paged": "bitsandbytes",
    "lion_8bit": "bitsandbytes",
    "lion_32bit": "bitsandbytes",
    "galore": "galore-torch",
    "apollo": "apollo-torch",
    "lomo": "lomo-optim",
    "grokadamw": "grokadamw",
    "schedule_free": "schedulefree",
    "stable_adamw": "torch-optimi",
    "torch_4bit": "torchao",
    "torch_8bit": "torchao",
    "anyprecision": "torchdistx",
    "npu": "torch_npu",
    "xla": "torch_xla",
    "flash": "flashoptim",
}


def _package(optimizer: str) -> str | None:
    """The package that makes an optimizer which torch and transformers do not."""
    return next((package for part, package in _PACKAGES.items() if part in optimizer), None)


def _missing(optimizer: str, package: str) -> RecipeError:
    return RecipeError(
        f"optimizer {optimizer!r} needs {package}, which is not installed.", hint=f"pip install {package}"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
