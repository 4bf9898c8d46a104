"""What a recipe needs of this machine and of the libraries, told before torch or a model is there."""

from collections.abc import Callable, Collection, Iterable, Iterator
from importlib.util import find_spec

from anatomy.errors import RecipeError
from anatomy.training.losses.kinds import LOSSES
from anatomy.training.optimizers.kinds import kind_of
from anatomy.training.recipe import Recipe
from anatomy.versions import installed

Check = Callable[[Recipe], None]


def check_available(recipe: Recipe, chosen: Collection[str]) -> None:
    """Raises RecipeError, with all of them, for packages that are missing and for what no rehearsal can run.

    `chosen`: the settings that someone chose; the other ones still give way to the model.
    """
    checks: list[Check] = [check_packages, check_quantizer, check_adapter, check_optimizer_here]
    if "max_grad_norm" in chosen:
        checks.append(check_gradients_kept)
    if problems := [*_raised(recipe, checks)]:
        raise RecipeError.together(problems)


def check_optimizer_here(recipe: Recipe) -> None:
    """Raises RecipeError for an optimizer that no GPU runs, whose package is missing, or that lacks a setting."""
    name, kind = recipe.optimizer, kind_of(recipe.optimizer)
    if kind.refused:
        raise RecipeError(
            f"optimizer {name!r} {kind.refused}.", hint="adamw_torch_fused is the same on a CUDA GPU"
        )
    if kind.package is not None and not installed((kind.package,)):
        raise _missing(f"optimizer {name!r}", kind.package)
    if kind.low_rank and recipe.optim_target_modules is None:
        raise RecipeError(
            f"optimizer {name!r} projects the gradients of modules that optim_target_modules has to name.",
            hint="--optim-target-modules all-linear takes every linear layer",
        )


def check_gradients_kept(recipe: Recipe) -> None:
    """Raises RecipeError for clipping what an optimizer in backward has used up."""
    if recipe.optimizer_in_backward and recipe.max_grad_norm > 0:
        raise RecipeError(
            "optimizer_in_backward leaves no gradients to clip.", hint="leave max_grad_norm out, or give 0"
        )


def check_packages(recipe: Recipe) -> None:
    """Raises RecipeError where the package of the loss or of the kernels is missing."""
    package = LOSSES[recipe.loss].package
    if package is not None and not installed((package,)):
        raise _missing(f"loss {recipe.loss!r}", package)
    liger = str(LOSSES["liger"].package)
    if recipe.liger_kernels and not installed((liger,)):
        raise _missing("liger_kernels", liger)


def check_quantizer(recipe: Recipe) -> None:
    """Raises RecipeError where the base is to be quantized and bitsandbytes is missing."""
    if recipe.quantized and find_spec("bitsandbytes") is None:
        raise RecipeError(
            f"method {recipe.method!r} needs bitsandbytes, which is not installed.",
            hint="pip install bitsandbytes, or use --method lora",
        )


def check_adapter(recipe: Recipe) -> None:
    """Raises RecipeError for adapters that cannot be rehearsed, or whose package is missing."""
    row = recipe.adapter
    if row is not None and row.refused:
        raise RecipeError(
            f"{recipe.adapter_type} cannot be rehearsed: {row.refused}.", hint="choose another method"
        )
    if row is not None and row.package is not None and not installed((row.package,)):
        raise _missing(str(recipe.adapter_type), row.package)


def _missing(what: str, package: str) -> RecipeError:
    return RecipeError(f"{what} needs {package}, which is not installed.", hint=f"pip install {package}")


def _raised(recipe: Recipe, checks: Iterable[Check]) -> Iterator[RecipeError]:
    for check in checks:
        try:
            check(recipe)
        except RecipeError as error:
            yield error
