"""`watch`: the plan of a training loop written by hand, and what it took."""

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from anatomy.errors import AnatomyError, RehearsalError
from anatomy.integrations.forecast import Forecast, forecast
from anatomy.integrations.live import LiveCast, Settings, live_components
from anatomy.integrations.measured import Difference, Measured, Meter
from anatomy.integrations.twin import make_twin
from anatomy.integrations.untouched import untouched
from anatomy.integrations.words import describe
from anatomy.training.step import Batch, Run

log = logging.getLogger(__name__)

USUAL_LOOP = (
    "the loop is: forward, loss, loss.backward(), optimizer.step(), gradients set to None; the outputs and the loss "
    "stay in their variables until the next forward has returned"
)


def watch(
    model: Any,
    optimizer: Any,
    *,
    loss: Callable[[Any], torch.Tensor] | None = None,
    grad_accum: int = 1,
    max_grad_norm: float = 0.0,
    gpu: str | None = None,
) -> "Watch":
    """Plan the training loop in a `with` block from its first batch, and measure it.

    The first training forward of `model` inside the block is held for a moment: its inputs' shapes and integers are
    taken as every batch's, and the run is rehearsed before anything of it is allocated. `Watch.plan` does it
    earlier. Weights, gradients, optimizer and random states are left alone; a rehearsal that fails is one warning.

    `loss`: makes the loss from the model's outputs, which are on the meta device there (targets are to be made on
    `outputs.device`); left out, the outputs' own loss. `grad_accum`: forwards between two optimizer steps.
    `max_grad_norm`: as given to `torch.nn.utils.clip_grad_norm_`; 0 where gradients are not clipped. `gpu`: whose
    kernels to rehearse; left out, those of this machine's GPU, else of an A100.
    """
    return Watch(model, optimizer, loss=loss, grad_accum=grad_accum, max_grad_norm=max_grad_norm, gpu=gpu)


class Watch:
    """A watched loop; see `watch`. `str(w)` says everything in words."""

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        *,
        loss: Callable[[Any], torch.Tensor] | None,
        grad_accum: int,
        max_grad_norm: float,
        gpu: str | None,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._loss = loss
        self._grad_accum = grad_accum
        self._max_grad_norm = max_grad_norm
        self._gpu = gpu
        self._hook: Any = None
        self._meter: Meter | None = None
        self._final: Measured | None = None
        self.predicted: Forecast | None = None
        """The plan; None before the first batch, and where it could not be made."""

    @property
    def measured(self) -> Measured | None:
        """What the block has taken so far, or took; None before it begins."""
        return self._meter.read() if self._final is None and self._meter is not None else self._final

    @property
    def difference(self) -> Difference | None:
        """Predicted less measured; None on the CPU, whose memory is another quantity, and without a prediction."""
        measured = self.measured
        if self.predicted is None or measured is None:
            return None
        return measured.difference(self.predicted)

    def plan(self, *args: Any, **kwargs: Any) -> Forecast:
        """The plan of the loop for a batch, given as to the model and where the model is called (under autocast,
        if it is): `w.plan(**batch)`.

        Raises AnatomyError, with the reason, where the run cannot be rehearsed truthfully.
        """
        kind = next(self._model.parameters()).device.type
        cast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        self._unhook()
        with untouched():
            twin = make_twin(self._model, self._optimizer)
            run = _Loop(loss=self._loss or own_loss, autocast=cast)
            ready = LiveCast(
                twin=twin,
                settings=Settings(
                    grad_accum=self._grad_accum, max_grad_norm=self._max_grad_norm, autocast_dtype=None
                ),
                batch={"args": _on_host(args), "kwargs": _on_host(kwargs)},
                make_run=run.run,
                batch_assumptions=("every batch is like the first", USUAL_LOOP),
            )
            self.predicted = forecast(ready, live_components(twin.model), self._gpu)
        if self._meter is not None:
            self._meter.start()  # what planning itself took is no part of the loop
        return self.predicted

    def report(self) -> str:
        """Predicted, measured and their difference, in plain lines."""
        return describe(self.predicted, self.measured)

    __str__ = report

    def __enter__(self) -> "Watch":
        self._final = None
        self._meter = Meter(next(self._model.parameters()).device)
        if self.predicted is None:
            self._hook = self._model.register_forward_pre_hook(self._first, with_kwargs=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self._unhook()
        self._final = self.measured

    def _first(self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not (model.training and torch.is_grad_enabled()):
            return  # an evaluation before training
        self._unhook()
        try:
            self.plan(*args, **kwargs)
        except Exception as error:  # never the user's run
            log.warning("no memory plan: %s", reason(error))

    def _unhook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None


def reason(error: Exception) -> str:
    """Why a plan was not made, in one sentence."""
    if isinstance(error, AnatomyError):
        return error.message
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def own_loss(outputs: Any) -> torch.Tensor:
    """The loss among a model's outputs. Raises RehearsalError where there is none."""
    found = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    first = outputs[0] if isinstance(outputs, (tuple, list)) and outputs else outputs
    for candidate in (found, first):
        if isinstance(candidate, torch.Tensor) and candidate.numel() == 1:
            return candidate
    raise RehearsalError(
        "the model's outputs have no loss, so its training cannot be rehearsed.",
        hint="pass watch(..., loss=...), which makes one from the outputs",
    )


@dataclass(kw_only=True)
class _Loop:
    """The usual loop's forward, with the lifetimes of its variables."""

    loss: Callable[[Any], torch.Tensor]
    autocast: torch.dtype | None
    held: list[Any] = field(default_factory=list)
    """`outputs` and `loss` of the loop: replaced once the next ones are there."""

    def run(self, model: Any, optimizer: Any, settings: Settings, make_batch: Callable[[], Batch]) -> Run:
        """For LiveCast."""
        return Run(
            model=model,
            optimizer=optimizer,
            recipe=settings,
            make_batch=make_batch,
            device="meta",
            loss=self._forward,
            count=lambda model, batches: None,
        )

    def _forward(self, model: Any, inputs: Batch, items: torch.Tensor | None) -> torch.Tensor:
        with nullcontext() if self.autocast is None else torch.autocast("meta", dtype=self.autocast):
            outputs = model(*inputs["args"], **inputs["kwargs"])
            loss = self.loss(outputs)
        self.held[:] = [outputs, loss]
        return loss


def _on_host(inputs: Any) -> Any:
    """Inputs whose integers are known and whose floats have a shape only; nothing new is on the device."""

    def move(tensor: torch.Tensor) -> torch.Tensor:
        plain = tensor.detach()
        return torch.empty_like(plain, device="meta") if plain.is_floating_point() else plain.cpu()

    return tree_map_only(torch.Tensor, move, inputs)
