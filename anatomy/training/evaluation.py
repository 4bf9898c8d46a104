"""An evaluation between two steps, with exactly the lifetimes that Hugging Face's Trainer gives its tensors.

The same code runs on meta tensors, on the CPU and on a GPU. Where logits are kept, each batch's are appended to those of
all batches before: for that moment the old and the new tensor of logits are both there, and the batch's own beside them.

Source: transformers' Trainer (evaluation_loop, prediction_step, compute_loss; EvalLoopContainer and nested_concat in
trainer_pt_utils.py), whose `evaluate` keeps logits where the user gave it `compute_metrics`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from anatomy.memory.timeline import Phase
from anatomy.training.inputs.batch import plan_batch
from anatomy.training.losses.apply import Outputs, outputs_of
from anatomy.training.recipe import Recipe
from anatomy.training.step import Batch, Enter, Run, to_device, unwrapped

_Predicted = tuple[torch.Tensor, Any, Any]
"""Loss, logits and labels of a batch; the last two are None where they are not kept, else tensors or tuples of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What is evaluated, and what is kept of it."""

    make_batch: Callable[[], Batch]
    batches: int
    batch_size: int
    """Sequences in a batch."""
    keeps_logits: bool
    """Whether logits and labels of all batches are kept for metrics; else only the losses are."""
    accumulation: int | None
    """Batches after which what is kept moves to the host; None: after the last one."""
    outputs: Outputs
    """The loss of a model on a batch, and its outputs."""

    def run(self, run: Run, enter: Enter) -> None:
        """Run the batches; training goes on as before. `enter` is told that the phase begins."""
        enter(Phase.EVALUATION)
        run.model.eval()
        if hasattr(run.optimizer, "eval"):  # schedule-free optimizers keep other weights for evaluation
            run.optimizer.eval()
        self._loop(run)
        run.model.train()
        if hasattr(run.optimizer, "train"):
            run.optimizer.train()

    def _loop(self, run: Run) -> None:
        """Trainer.evaluation_loop. On meta, batches between the first and the last are stood for by what they leave."""
        kept = tuple(_Kept() for _ in range(3))
        losses = logits = labels = None
        for number in range(self.batches):
            if run.device != "meta" or losses is None or number == self.batches - 1:
                losses, logits, labels = self._prediction_step(run)
            else:
                losses, logits, labels = _like(losses, logits, labels)
            losses = losses.repeat(self.batch_size)
            for container, tensors in zip(kept, (losses, logits, labels), strict=True):
                container.add(tensors)
                del tensors
            if self.accumulation is not None and (number + 1) % self.accumulation == 0:
                for container in kept:
                    container.to_host()
                losses = logits = labels = None

    def _prediction_step(self, run: Run) -> _Predicted:
        inputs = to_device(self.make_batch(), run.device)
        labels = _alone(tuple(tensor.detach() for name, tensor in inputs.items() if "label" in name))
        with torch.no_grad():
            items = run.count(run.model, [inputs])
            loss, outputs = self.outputs(run.model, inputs, items)
            loss = loss.detach().mean()
        if not self.keeps_logits:
            return loss, None, None
        logits = _alone(_detached(_without_loss(outputs, _ignored(run.model))))
        return loss, logits, labels


class _Kept:
    """Tensors of all batches on the device: EvalLoopContainer without its arrays on the host."""

    def __init__(self) -> None:
        self._tensors: Any = None

    def add(self, tensors: Any) -> None:
        from transformers.trainer_pt_utils import nested_concat

        if tensors is None:
            return
        first = self._tensors is None
        self._tensors = tensors if first else nested_concat(self._tensors, tensors, padding_index=-100)

    def to_host(self) -> None:
        self._tensors = None


def evaluation_of(model: Any, recipe: Recipe) -> Evaluation | None:
    """The recipe's evaluation of `model` (a transformers model, before any method is applied); None without one.

    With `eval_accumulation_steps`, batches beyond two such rounds are like those before.
    """
    if not recipe.eval_batches:
        return None
    every = recipe.eval_accumulation_steps
    batch = plan_batch(model, replace(recipe, batch_size=recipe.eval_batch_size))
    return Evaluation(
        make_batch=batch.make,
        batches=recipe.eval_batches if every is None else min(recipe.eval_batches, 2 * every),
        batch_size=recipe.eval_batch_size,
        keeps_logits=recipe.eval_keep_logits,
        accumulation=every,
        outputs=outputs_of(recipe),
    )


def evaluation_assumptions(recipe: Recipe) -> tuple[str, ...]:
    """What is said of the evaluation that a recipe asks for."""
    if not recipe.eval_batches:
        return ()
    count = f"{recipe.eval_batches:,} batch{'es' * (recipe.eval_batches != 1)} of {recipe.eval_batch_size:,}"
    kept = "logits and labels of all of them are kept" if recipe.eval_keep_logits else "losses alone are kept"
    host = recipe.eval_accumulation_steps
    every = (
        "" if host is None else f", and move to the host after every {host:,} (which empties no cache here)"
    )
    return (f"an evaluation of {count} follows the last step: {kept}{every}",)


def _like(losses: torch.Tensor, logits: Any, labels: Any) -> _Predicted:
    """What another batch leaves: a loss, and logits and labels of the same shapes."""
    made: tuple[Any, Any] = tree_map_only(torch.Tensor, torch.empty_like, (logits, labels))
    return losses.new_empty(()), *made


def _ignored(model: Any) -> tuple[str, ...]:
    config = getattr(unwrapped(model), "config", None)
    return ("loss", *getattr(config, "keys_to_ignore_at_inference", ("past_key_values",)))


def _without_loss(outputs: Any, ignored: tuple[str, ...]) -> tuple[Any, ...]:
    if isinstance(outputs, dict):
        return tuple(value for name, value in outputs.items() if name not in ignored)
    return tuple(outputs[1:])


def _detached(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    found: tuple[Any, ...] = tree_map_only(torch.Tensor, torch.Tensor.detach, tensors)
    return found


def _alone(tensors: tuple[Any, ...]) -> Any:
    """As the Trainer passes them on: one alone is no tuple."""
    return tensors[0] if len(tensors) == 1 else tensors
