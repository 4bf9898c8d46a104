"""Packages of kernels (Liger, cut-cross-entropy, TRL) in a rehearsal: imported, answered, launched on nothing, undone."""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

from anatomy.errors import RecipeError
from anatomy.rehearsal.kernels.as_cuda import LIBRARIES, answering_as_cuda
from anatomy.rehearsal.kernels.triton_stand_in import launching_nothing, triton_there
from anatomy.rehearsal.kernels.trl_cuda import fused_head
from anatomy.training.losses.fused import modules_of
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.rehearsal.cuda import Target


def import_packages(recipe: Recipe, target: "Target") -> None:
    """Import what a recipe's loss and kernels need, as a machine with Triton and the target would.

    To be called before `kernel_packages` is entered. Raises RecipeError where a package is not installed, or
    one that it imports.
    """
    modules = modules_of(recipe)
    if modules:
        with answering_as_cuda(target), triton_there():
            for module in modules:
                try:
                    import_module(module)
                except ModuleNotFoundError as error:
                    raise RecipeError(
                        f"{module.partition('.')[0]} needs {error.name}, which is not installed.",
                        hint=f"pip install {error.name}",
                    ) from error


@contextmanager
def kernel_packages(target: "Target") -> Iterator[None]:
    """While active, the imported packages run on meta tensors. Does nothing where none is imported."""
    with ExitStack() as stack:
        stack.enter_context(fused_head())
        if any(library.rstrip(".") in sys.modules for library in LIBRARIES):
            stack.enter_context(answering_as_cuda(target))
            stack.enter_context(triton_there())
            stack.enter_context(launching_nothing())
            if "cut_cross_entropy" in sys.modules:  # it compiles what is as long as the vocabulary
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.callback(_forget_device)
            stack.enter_context(_quietly())
            stack.enter_context(patches_undone())
        yield


@contextmanager
def patches_undone() -> Iterator[None]:
    """What is put into transformers' and torch.nn's modules meanwhile is taken out again.

    Applied to one model, Liger still replaces names in the module that the model's class is from.
    """
    before = {module: dict(vars(module)) for module in _patched_modules()}
    try:
        yield
    finally:
        for module, names in before.items():
            for name, value in names.items():
                if vars(module).get(name) is not value:
                    setattr(module, name, value)


def _patched_modules() -> list[ModuleType]:
    models = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("transformers.models.") and ".modeling_" in name
    ]
    return [*models, torch.nn, torch.nn.functional]


@contextmanager
def _quietly() -> Iterator[None]:
    """Liger warns of each of its kernels' other implementations that is not installed."""
    logger = logging.getLogger("liger_kernel")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _forget_device() -> None:
    """Liger remembers what kind of device there is."""
    arch: Any = getattr(sys.modules.get("liger_kernel.utils"), "infer_device_arch", None)
    if arch is not None:
        arch.cache_clear()
