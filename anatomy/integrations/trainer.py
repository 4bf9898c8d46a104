"""MemoryCallback: the plan of a Trainer's run before its first step, and what was measured beside it."""

import copy
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from anatomy.errors import RehearsalError
from anatomy.integrations.examples import Example, example_batch
from anatomy.integrations.forecast import Forecast, forecast
from anatomy.integrations.live import LiveCast, Settings, live_components
from anatomy.integrations.loop import reason
from anatomy.integrations.measured import Difference, Measured, Meter
from anatomy.integrations.twin import make_twin
from anatomy.integrations.untouched import untouched
from anatomy.integrations.words import describe
from anatomy.rehearsal.kernels.trl_cuda import fused_head
from anatomy.rehearsal.rehearse import STEPS
from anatomy.training.step import Batch, Run, prepare

log = logging.getLogger(__name__)

_AUTOCAST = {"bf16": "bfloat16", "fp16": "float16", "no": None}
_NOT_MODELLED: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("several devices are", lambda t: t.args.world_size > 1 or t.args.n_gpu > 1),
    ("DeepSpeed is", lambda t: t.is_deepspeed_enabled),
    ("FSDP is", lambda t: t.is_fsdp_enabled),
    ("a compiled model is", lambda t: t.args.torch_compile),
    ("this mixed precision is", lambda t: t.accelerator.mixed_precision not in _AUTOCAST),
)
"""What a Trainer can be told that no rehearsal knows yet."""
_DATA = ("train_dataset", "eval_dataset")


class MemoryCallback(TrainerCallback):
    """Logs the memory plan of exactly this run before its first step, and the measured peak afterwards.

    `Trainer(..., callbacks=[MemoryCallback()])`, or TRL's. Metrics are named `memory/...` and go to every logger of
    `report_to`; `str(callback)` has them in words. After step 2, whose kind is what was rehearsed, and at the end,
    the measured peak is logged. Training is not changed: losses, data order and random states stay what they are. A
    plan that cannot be made is one warning.

    `gpu`: whose kernels to rehearse; left out, those of this machine's GPU, else of an A100.
    `batch`: an example of what the collator returns, for a streaming dataset, which cannot be looked into without
    taking from it; left out, the longest rows found among some of the training dataset, through the collator.
    """

    def __init__(self, *, gpu: str | None = None, batch: Mapping[str, Any] | None = None) -> None:
        self._gpu = gpu
        self._batch = batch
        self._trainer: Any = None
        self._meter: Meter | None = None
        self._logged_at: int | None = None
        self._first_step = 0
        self.predicted: Forecast | None = None
        """The plan; None before training, and where it could not be made."""
        self.measured: Measured | None = None
        """The last reading; None before the first."""

    @property
    def difference(self) -> Difference | None:
        """Predicted less measured; None on the CPU, whose memory is another quantity, and without a prediction."""
        if self.predicted is None or self.measured is None:
            return None
        return self.measured.difference(self.predicted)

    def __str__(self) -> str:
        return describe(self.predicted, self.measured)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Rehearse, log the plan, start measuring."""
        self.predicted = self.measured = self._logged_at = None
        self._first_step = state.global_step
        self._trainer = _calling_trainer()
        try:
            with untouched(), fused_head():
                self.predicted = self._forecast(kwargs["train_dataloader"])
            self._log(self.predicted.metrics())
            log.info("memory plan\n%s", self)
        except Exception as error:  # never the user's run
            log.warning("no memory plan: %s", reason(error))
        self._meter = Meter(args.device)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """After the steps that were rehearsed, and after the last one, log what was measured."""
        if state.global_step == self._first_step + STEPS or control.should_training_stop:
            self._log_measured(state.global_step)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """A run that stopped otherwise than by its last step is measured here."""
        if self._logged_at != state.global_step:
            self._log_measured(state.global_step)
        self._trainer = self._meter = None

    def _log_measured(self, step: int) -> None:
        if self._meter is None:
            return
        self.measured = self._meter.read()
        self._logged_at = step
        difference = self.difference
        self._log(self.measured.metrics() | (difference.metrics() if difference is not None else {}))
        log.info("memory after step %d\n%s", step, self)

    def _log(self, metrics: dict[str, float]) -> None:
        """As the Trainer logs its own, but for what subclasses add: TRL's would empty its averages into ours."""
        if self._trainer is None:
            return
        control = self._trainer.control
        due = control.should_log
        Trainer.log(self._trainer, metrics)
        control.should_log = due  # logging ours does not replace logging the loss

    def _forecast(self, dataloader: Any) -> Forecast:
        trainer = self._trainer
        if trainer is None:
            raise RehearsalError("the callback was called by no Trainer.")
        for what, applies in _NOT_MODELLED:
            if applies(trainer):
                raise RehearsalError(f"{what} not modelled.")
        example = _given(self._batch) or example_batch(dataloader, trainer.state.train_batch_size)
        twin = make_twin(trainer.model, trainer.optimizer)
        cast = LiveCast(
            twin=twin,
            settings=Settings(
                grad_accum=trainer.args.gradient_accumulation_steps,
                max_grad_norm=trainer.args.max_grad_norm or 0.0,
                autocast_dtype=_AUTOCAST[trainer.accelerator.mixed_precision],
            ),
            batch=example.batch,
            make_run=_Actor(trainer).run,
            batch_assumptions=(example.assumption,),
        )
        return forecast(cast, live_components(twin.model), self._gpu)


class _Actor:
    """The Trainer's own loss, and its own count of labelled tokens, for a twin.

    A shallow copy of the trainer with containers of its own: what it notes while it computes a loss (TRL: entropy,
    accuracy) does not reach the trainer.
    """

    def __init__(self, trainer: Any) -> None:
        self._trainer = copy.copy(trainer)
        for name, value in vars(trainer).items():
            if name not in _DATA:
                setattr(self._trainer, name, _own(value))

    def run(self, model: Any, optimizer: Any, settings: Settings, make_batch: Callable[[], Batch]) -> Run:
        """For LiveCast."""
        actor = self._trainer
        actor.model = actor.model_wrapped = model
        actor.optimizer = optimizer
        actor.current_gradient_accumulation_steps = settings.grad_accum
        run = prepare(model, optimizer, settings, make_batch, "meta")
        run.loss = lambda model, inputs, items: actor.compute_loss(model, inputs, num_items_in_batch=items)
        run.count = lambda model, batches: actor.get_batch_samples(
            iter(batches), len(batches), torch.device("meta")
        )[1]
        return run


def _own(value: Any) -> Any:
    """Containers anew, what they contain as it is."""
    if isinstance(value, dict):
        fresh = copy.copy(value)
        fresh.update({key: _own(item) for key, item in value.items()})
        return fresh
    return copy.copy(value) if isinstance(value, (list, set)) else value


def _given(batch: Mapping[str, Any] | None) -> Example | None:
    if batch is None:
        return None
    return Example(batch=dict(batch), assumption="every batch is like the one given to the callback")


def _calling_trainer() -> Any:
    """The Trainer whose event this is: events do not name it, but its method is on the stack that called us."""
    frame = sys._getframe(1)
    while frame is not None:
        if isinstance(frame.f_locals.get("self"), Trainer):
            return frame.f_locals["self"]
        frame = frame.f_back  # type: ignore[assignment]
    return None
