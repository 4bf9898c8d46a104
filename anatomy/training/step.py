"""One training step with exactly the lifetimes that Hugging Face's Trainer gives its tensors.

The same code runs on meta tensors (a rehearsal), on the CPU and on a GPU. Lifetimes decide the peak: the outputs,
logits among them, die when the loss has been taken from them; the loss is detached after backward; gradients are
set to None after the step.

Source: transformers' Trainer (_run_epoch, get_batch_samples, training_step, compute_loss) and accelerate's
Accelerator (prepare_model, backward, clip_grad_norm_).
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.utils._pytree import tree_map_only

from anatomy.memory.timeline import Phase

if TYPE_CHECKING:
    from anatomy.training.evaluation import Evaluation

EVALUATED_AFTER = 2
"""The step that an evaluation follows: from the second on, the optimizer's states are there."""
Enter = Callable[[Phase], None]
Batch = dict[str, Any]
"""What a collator returns: tensors by the name of the model's argument, possibly nested."""
Loss = Callable[[Any, Batch, torch.Tensor | None], torch.Tensor]
"""The loss of a model on a batch, given the number of labelled tokens where that is counted."""
Count = Callable[[Any, Sequence[Batch]], torch.Tensor | None]
"""The number of labelled tokens in the micro-batches of a step, or None where the loss does not take it."""


class StepSettings(Protocol):
    """What a step needs to be told; a Recipe tells it."""

    @property
    def grad_accum(self) -> int:
        """Micro-batches between two optimizer steps."""

    @property
    def max_grad_norm(self) -> float:
        """Gradient clipping; 0 switches it off."""

    @property
    def autocast_dtype(self) -> str | None:
        """'bfloat16' or 'float16' under mixed precision, else None."""


def compute_loss(model: Any, inputs: Batch, items: torch.Tensor | None) -> torch.Tensor:
    """The loss alone: the outputs, and with them the logits, die here."""
    loss, _ = loss_and_outputs(model, inputs, items)
    return loss


def loss_and_outputs(model: Any, inputs: Batch, items: torch.Tensor | None) -> tuple[torch.Tensor, Any]:
    """The loss that the model takes of its own outputs, and these."""
    extra = {} if items is None else {"num_items_in_batch": items}
    outputs = model(**inputs, **extra)
    loss: torch.Tensor = outputs["loss"] if isinstance(outputs, dict) else outputs[0]
    return loss, outputs


def count_items(model: Any, batches: Sequence[Batch]) -> torch.Tensor | None:
    """Number of labelled tokens in the accumulated batch, where the model's loss takes it."""
    base = unwrapped(model)
    accepts = getattr(base, "accepts_loss_kwargs", None)
    if accepts is None:
        parameters = inspect.signature(base.forward).parameters.values()
        accepts = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    return sum(b["labels"].ne(-100).sum() for b in batches) if accepts else None


@dataclass(kw_only=True)
class Run:
    """A model, its optimizer and how to step them."""

    model: Any
    """What is called: the model itself or its PEFT wrapper."""
    optimizer: Any
    recipe: StepSettings
    make_batch: Callable[[], Batch]
    device: str
    scaler: Any = None
    """GradScaler, under fp16-mixed."""
    loss_so_far: torch.Tensor | None = None
    """The Trainer's running loss, on the device; None where nobody adds losses up."""
    loss: Loss = compute_loss
    count: Count = count_items
    evaluation: "Evaluation | None" = None
    """Run once, after step `EVALUATED_AFTER`."""
    steps: int = 0
    """Steps so far."""


def prepare(
    model: Any, optimizer: Any, recipe: StepSettings, make_batch: Callable[[], Batch], device: str
) -> Run:
    """What the Trainer does once before its first step: training mode, autocast around forward, the scaler."""
    base = unwrapped(model)
    if getattr(base, "config", None) is not None:
        base.config.use_cache = False  # TrainingArguments.use_cache
    model.train()
    if hasattr(optimizer, "train"):  # schedule-free optimizers keep other weights for evaluation
        optimizer.train()
    if recipe.autocast_dtype is not None:
        autocast_forward(model, getattr(torch, recipe.autocast_dtype), device)
    model.zero_grad()
    return Run(
        model=model,
        optimizer=optimizer,
        recipe=recipe,
        make_batch=make_batch,
        device=device,
        scaler=make_scaler(recipe, device),
        loss_so_far=torch.tensor(0.0, device=device),
    )


def make_scaler(recipe: StepSettings, device: str) -> Any:
    """The GradScaler of fp16-mixed, None in any other precision."""
    if recipe.autocast_dtype != "float16":
        return None
    # On a machine without CUDA, GradScaler("cuda") switches itself off.
    return torch.amp.GradScaler(device if torch.amp.is_autocast_available(device) else "cpu")


def step(run: Run, enter: Enter) -> None:
    """One optimizer step: its micro-batches, clipping, the update. `enter` is told each phase as it begins."""
    enter(Phase.FORWARD)
    batches = [to_device(run.make_batch(), run.device) for _ in range(run.recipe.grad_accum)]
    items = run.count(run.model, batches)
    for number, inputs in enumerate(batches):
        if number:
            enter(Phase.FORWARD)
        loss = _micro_step(run, inputs, items, enter)
        if run.loss_so_far is not None:
            run.loss_so_far += loss
    update(run, enter)
    run.steps += 1
    if run.evaluation is not None and run.steps == EVALUATED_AFTER:
        run.evaluation.run(
            run, enter
        )  # the batches are still there: the Trainer holds them until it has the next ones


def update(run: Run, enter: Enter) -> None:
    """The end of a step, when gradients are there: clipping, the optimizer, gradients set to None."""
    parameters = list(run.model.parameters())
    if run.recipe.max_grad_norm > 0:
        enter(Phase.CLIP)
        if run.scaler is not None:
            run.scaler.unscale_(run.optimizer)
        torch.nn.utils.clip_grad_norm_(parameters, run.recipe.max_grad_norm)
    enter(Phase.OPTIMIZER)
    if run.scaler is not None:
        run.scaler.step(run.optimizer)
        run.scaler.update()
    else:
        run.optimizer.step()
    enter(Phase.ZERO_GRAD)
    run.model.zero_grad()


def unwrapped(model: Any) -> Any:
    """The transformers model inside a PEFT wrapper, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _micro_step(run: Run, inputs: Batch, items: torch.Tensor | None, enter: Enter) -> torch.Tensor:
    loss = run.loss(run.model, inputs, items)
    del inputs
    if items is None:
        loss = loss / run.recipe.grad_accum
    enter(Phase.BACKWARD)
    # Accelerator.backward divides by its own accumulation steps, which the Trainer leaves at 1.
    loss = loss / 1
    if run.scaler is not None:
        run.scaler.scale(loss).backward()
    elif hasattr(run.optimizer, "fused_backward"):  # Accelerator.lomo_backward
        run.optimizer.fused_backward(loss, run.optimizer.param_groups[0]["lr"])
    else:
        loss.backward()
    return loss.detach()


def to_device(batch: Batch, device: str) -> Batch:
    """The batch's tensors on the device, its own kept on the host."""
    moved: Batch = tree_map_only(torch.Tensor, lambda tensor: tensor.to(device, copy=True), batch)
    return moved


def autocast_forward(model: Any, dtype: torch.dtype, device: str) -> None:
    """Accelerator.prepare_model under mixed precision: autocast inside, outputs back to fp32."""
    from accelerate.utils.operations import convert_outputs_to_fp32

    inner = model.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device_type=device, dtype=dtype):
            return inner(*args, **kwargs)

    # The signature is what `count_items` and PEFT look at.
    forward.__signature__ = inspect.signature(inner)  # type: ignore[attr-defined]
    model.forward = convert_outputs_to_fp32(forward)
