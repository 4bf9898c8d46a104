"""A real run, ready to step: a model with its weights on a device, the method applied, the optimizer made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch

from anatomy.memory.timeline import Category, Phase
from anatomy.profiling.events import Held
from anatomy.rehearsal.adapted import AdaptedNames
from anatomy.training.evaluation import evaluation_of
from anatomy.training.inputs.batch import plan_batch
from anatomy.training.losses.apply import apply_loss, loss_of
from anatomy.training.losses.dpo import pairs, reference_of, with_preferences
from anatomy.training.losses.fused import check_cpu, imported_functions, modules_of
from anatomy.training.methods import apply_method, choose_attention
from anatomy.training.optimizers import build as optimizers
from anatomy.training.quantized import base as quantization
from anatomy.training.recipe import Recipe
from anatomy.training.step import Run, prepare, step, unwrapped


@dataclass(kw_only=True)
class RealRun:
    """A run on a real device."""

    run: Run
    base_parameters: frozenset[int]
    """Ids of the parameters that no method added."""
    names: AdaptedNames
    reference: Any
    """The second model of a preference run, or None."""
    tokens: int
    """Read in one optimizer step."""

    @property
    def model(self) -> Any:
        """What is called."""
        return self.run.model

    def step(self, enter: Callable[[Phase], None]) -> None:
        """One optimizer step; `enter` is told each phase as it begins."""
        step(self.run, enter)

    def wrap_loss(self, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Put something around the model's loss function, where it has one of its own."""
        base = unwrapped(self.model)
        loss = getattr(base, "loss_function", None)
        if loss is not None and not isinstance(loss, torch.nn.Module):  # a module speaks for itself
            base.loss_function = wrap(loss)
        for function in imported_functions():
            if "apply" in vars(function):  # of a measurement before
                del function.apply
            function.apply = wrap(function.apply)

    def loaded(self) -> Iterator[Held]:
        """What is on the device before the first step."""
        for path, parameter in self.model.named_parameters():
            known = id(parameter) in self.base_parameters
            yield _held(parameter, path, Category.WEIGHTS if known else Category.ADAPTERS)
        if self.reference is not None:
            for path, parameter in self.reference.named_parameters():
                yield _held(parameter, f"reference.{path}", Category.WEIGHTS)
            for path, buffer in self.reference.named_buffers():
                yield _held(buffer, f"reference.{path}", Category.BUFFERS)
        packed = quantization.quantized_modules(self.model)
        for path, module in packed:
            for tensor in quantization.state_tensors(module):
                yield _held(tensor, f"{path}.state", Category.QUANTIZATION)
        for book in quantization.code_books().values() if packed else ():
            yield _held(book, "", Category.QUANTIZATION)
        for path, buffer in self.model.named_buffers():
            yield _held(buffer, path, Category.BUFFERS)
        yield from (held for held in self.states() if held.bytes)  # some make theirs at once
        if self.run.loss_so_far is not None:
            yield _held(self.run.loss_so_far, "", Category.LOGITS)

    def gradients(self) -> Iterator[Held]:
        """Every gradient that there is."""
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                yield _held(parameter.grad, "", Category.GRADIENTS)

    def states(self) -> Iterator[Held]:
        """Every tensor of the optimizer's state."""
        paths = {id(parameter): path for path, parameter in self.model.named_parameters()}
        for parameter, tensor in optimizers.owned_states(self.run.optimizer):
            if tensor.device.type == self.run.device:
                yield _held(tensor, paths.get(id(parameter), ""), Category.OPTIMIZER)


def set_up(model: Any, recipe: Recipe, device: str, component_of: Callable[[str], str]) -> RealRun:
    """Apply the recipe to a model whose weights are on `device`. Raises RecipeError where it cannot be applied."""
    if device == "cpu":
        check_cpu(recipe)
    batch = pairs(model, recipe) if recipe.objective == "dpo" else plan_batch(model, recipe)
    evaluation = evaluation_of(model, recipe)
    base = frozenset(id(parameter) for parameter in model.parameters())
    choose_attention(model, recipe)
    reference = reference_of(model, recipe)
    with torch.device(device):
        model = apply_method(model, recipe)
    for module in modules_of(recipe):
        import_module(module)
    apply_loss(model, recipe)
    optimizer = optimizers.build_optimizer(model, recipe)
    run = replace(
        prepare(model, optimizer, recipe, batch.make, device), loss=loss_of(recipe), evaluation=evaluation
    )
    return RealRun(
        run=with_preferences(run, recipe, reference) if recipe.objective == "dpo" else run,
        reference=reference,
        base_parameters=base,
        names=AdaptedNames(model, component_of),
        tokens=batch.tokens * recipe.grad_accum,
    )


def _held(tensor: torch.Tensor, path: str, category: Category) -> Held:
    storage = tensor.untyped_storage()
    return Held(
        address=storage.data_ptr(), bytes=storage.nbytes(), module=path.rpartition(".")[0], category=category
    )
