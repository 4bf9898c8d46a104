"""A rehearsal of a user's own module: its own inputs, its own loss, the recipe's optimizer and step."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from anatomy.architecture.own import OwnModel, call_own
from anatomy.errors import RehearsalError
from anatomy.memory.timeline import Category
from anatomy.rehearsal.cast import optimizer_assumptions, unique_parameters
from anatomy.rehearsal.recorder import Recorder
from anatomy.training.optimizers import build as optimizers
from anatomy.training.recipe import Recipe
from anatomy.training.step import Batch, Run, prepare

RECURRENT = (
    "cuDNN's recurrent layers: on CUDA one kernel runs them, with a reserve for backward whose size cuDNN alone knows, and "
    "weights in one block; here they go step by step, keeping what autograd keeps of each"
)
"""Source: PyTorch, aten/src/ATen/native/RNN.cpp (`_use_cudnn_rnn_flatten_weight`, `lstm`) and cudnn/RNN.cpp, where
`_cudnn_rnn` returns the reserve that cudnnGetRNNTrainingReserveSize asks for."""


class OwnCast:
    """A Cast (see anatomy.rehearsal.cast) of a module that a user's file made."""

    eager = False

    def __init__(self, own: OwnModel, recipe: Recipe, inputs: str) -> None:
        self.own = own
        self.recipe = recipe
        self.grad_accum = recipe.grad_accum
        self.inputs = inputs
        if inputs not in own.functions:
            raise RehearsalError(
                f"{own.file} defines no function {inputs!r}, so there is nothing to give the model.",
                hint="define inputs(), which returns the model's arguments: a mapping, a tuple, or one tensor",
            )
        self.batch_assumptions = (
            f"every batch is like that of {inputs}(){self._unsaid()}",
            *optimizer_assumptions(recipe),
        )
        recurrent = any(isinstance(module, torch.nn.RNNBase) for module in own.model.modules())
        self.not_modelled = (RECURRENT,) if recurrent else ()

    def _unsaid(self) -> str:
        """What the function does not ask for, so that nobody takes the recipe's lengths for the batch's."""
        taken = inspect.signature(self.own.functions[self.inputs]).parameters
        missing = [name for name in ("batch_size", "seq_len") if name not in taken]
        return (
            f", which takes no {' and no '.join(missing)}: the recipe's says nothing of it" if missing else ""
        )

    def load(self, recorder: Recorder) -> Any:
        """The weights arrive, then the buffers."""
        for path, parameter in self.own.model.named_parameters():
            recorder.adopt(parameter, module=path.rpartition(".")[0], category=Category.WEIGHTS)
        for path, buffer in self.own.model.named_buffers():
            recorder.adopt(buffer, module=path.rpartition(".")[0], category=Category.BUFFERS)
        return self.own.model

    def make_optimizer(self, model: Any) -> Any:
        return optimizers.build_optimizer(model, self.recipe)

    def make_batch(self) -> Batch:
        """The arguments that the file's function gives, on the host."""
        recipe = self.recipe
        made = call_own(self.own, self.inputs, batch_size=recipe.batch_size, seq_len=recipe.seq_len)
        if isinstance(made, Mapping):
            return {"args": (), "kwargs": dict(made)}
        return {"args": tuple(made) if isinstance(made, (tuple, list)) else (made,), "kwargs": {}}

    def prepare(self, model: Any, optimizer: Any, make_batch: Callable[[], Batch], grad_accum: int) -> Run:
        recipe = replace(self.recipe, grad_accum=grad_accum)
        run = prepare(model, optimizer, recipe, make_batch, "meta")
        return replace(run, loss=self._loss, count=lambda model, batches: None)

    def total_parameters(self, model: Any) -> int:
        return sum(int(parameter.numel()) for parameter in unique_parameters(model))

    def weight_assumptions(self, model: Any) -> tuple[str, ...]:
        return ()

    def _loss(self, model: Any, inputs: Batch, items: torch.Tensor | None) -> torch.Tensor:
        """The file's own loss(outputs) where it defines one, else the one among the outputs; the outputs die here."""
        outputs = model(*inputs["args"], **inputs["kwargs"])
        if "loss" in self.own.functions:
            loss: torch.Tensor = self.own.functions["loss"](outputs)
            return loss
        return _among(outputs)


def _among(outputs: Any) -> torch.Tensor:
    """`.loss`, 'loss', or the first of several: a tensor of one number. Raises RehearsalError without one."""
    named = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    first = outputs[0] if isinstance(outputs, (tuple, list)) and outputs else outputs
    for candidate in (named, first):
        if isinstance(candidate, torch.Tensor) and candidate.numel() == 1:
            return candidate
    raise RehearsalError(
        "the model returns no loss, so its training cannot be rehearsed.",
        hint="return a loss, or (loss, ...), or define loss(outputs) in the file",
    )
