"""The dress rehearsal: load, apply the recipe, run real training steps on meta, keep the record."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import _disable_current_modes

from anatomy.answers.literals import literals_known
from anatomy.garbage import without_garbage_collection
from anatomy.memory.timeline import Category, Phase
from anatomy.rehearsal.adapted import AdaptedNames
from anatomy.rehearsal.attribution import Attribution, phase_of_loss
from anatomy.rehearsal.cast import Cast, RecipeCast, unique_parameters
from anatomy.rehearsal.cuda import Stage, Target, acting
from anatomy.rehearsal.flops import Flops, total
from anatomy.rehearsal.guards import failures_named
from anatomy.rehearsal.kernels.bitsandbytes_cuda import (
    import_quietly,
    own_code_books,
    own_overrides,
    paged_off_device,
    paged_states,
)
from anatomy.rehearsal.kernels.kernel_packages import import_packages
from anatomy.rehearsal.kernels.optimizers_cuda import package_kernels
from anatomy.rehearsal.kernels.recurrent.fused import implementations
from anatomy.rehearsal.ledger import Ledger
from anatomy.rehearsal.loops.turns import stood_for
from anatomy.rehearsal.recorder import Recorder
from anatomy.rehearsal.rehearsed import Rehearsal, Seen
from anatomy.training.evaluation import Evaluation
from anatomy.training.losses.fused import imported_functions
from anatomy.training.optimizers import build as optimizers
from anatomy.training.recipe import Recipe
from anatomy.training.step import Batch, step, unwrapped
from anatomy.units import format_bytes
from anatomy.versions import installed

__all__ = ["MICRO_BATCHES", "STEPS", "Rehearsal", "Rehearsing", "rehearse", "rehearse_cast"]

MICRO_BATCHES = 3
"""Micro-batches of a step to rehearse at most: from the second on, gradients are there and each is like the last."""
STEPS = 2
"""Steps to rehearse: in the first there are no optimizer states during backward, in the second there are."""


def rehearse(
    model: Any,
    recipe: Recipe,
    *,
    component_of: Callable[[str], str],
    target: Target | None = None,
    steps: int = STEPS,
    device: str = "meta",
) -> Rehearsal:
    """Train `model` for `steps` steps without data or device, and write down every block.

    `model` is a transformers model, on the meta device for a prediction; it is changed by the recipe and is used
    up. `component_of` maps a path of the bare model's modules to a component. With `device="cpu"` and a model on
    the CPU the same recorder watches real tensors.

    Raises RecipeError where the model cannot run the recipe, RehearsalError where the truth depends on data.
    """
    if recipe.uses_adapters:  # PEFT imports it
        import_quietly()
    import_packages(recipe, target or Target())
    cast = RecipeCast(model, recipe, device)
    return rehearse_cast(cast, component_of=component_of, target=target, steps=steps, device=device)


def rehearse_cast(
    cast: Cast,
    *,
    component_of: Callable[[str], str],
    target: Target | None = None,
    steps: int = STEPS,
    device: str = "meta",
) -> Rehearsal:
    """Rehearse a run that is ready; see `rehearse`."""
    rehearsal = Rehearsing(cast, Stage(target=target or Target()), device)
    rehearsal.run(steps)
    return rehearsal.result(component_of)


class Rehearsing:
    """One rehearsal under way."""

    def __init__(self, cast: Cast, stage: Stage, device: str) -> None:
        self.cast = cast
        self.stage = stage
        self.device = device
        self.ledger = Ledger()
        self.attribution = Attribution(self._recomputing, self._losing)
        self.recorder = Recorder(self.ledger, self.attribution, stage, device)
        self.number = 0
        self.loops: dict[str, None] = {}
        """What was said of recurrent layers."""

    def run(self, steps: int) -> None:
        with self.on_stage() as stack:
            self.model = model = self.cast.load(self.recorder)
            self._watch(model, stack)
            self.optimizer_made_at = self.ledger.length
            optimizer = self.equip(lambda: self.cast.make_optimizer(model), stack)
            micro_batches = min(self.cast.grad_accum, MICRO_BATCHES)
            self.prepared = run = self.cast.prepare(model, optimizer, self._collate, micro_batches)
            if run.loss_so_far is not None:
                # torch.tensor() on meta makes its storage unseen by a dispatch mode.
                self.recorder.adopt(run.loss_so_far, module="", category=Category.LOGITS)
            if run.evaluation is not None:
                run.evaluation = self._collating(run.evaluation)
            for number in range(1, steps + 1):
                self.number = number
                with failures_named(self.attribution.path_of):
                    step(run, lambda phase: self.enter(phase, model, optimizer))
            self.label_states(optimizer)
            self.recorder.close()

    @contextmanager
    def on_stage(self) -> Iterator[ExitStack]:
        """While active, tensors are treated as the device would, and written down."""
        with ExitStack() as stack:
            stack.enter_context(without_garbage_collection())
            stack.enter_context(own_code_books())
            stack.enter_context(own_overrides())
            if self.device == "meta":
                stack.enter_context(literals_known())  # before the kernels' packages, which look who calls
                stack.enter_context(acting(self.stage))
            stack.enter_context(self.attribution)
            stack.enter_context(self.recorder)
            if self.device == "meta":
                recipe = getattr(self.cast, "recipe", None)  # a live run has none: it goes as it would
                chosen = recipe.recurrent_kernels if isinstance(recipe, Recipe) else "installed"
                stack.enter_context(implementations(chosen, self.loops))
                stack.enter_context(stood_for(self.recorder, self.ledger, self.loops))
            yield stack

    def equip(self, make_optimizer: Callable[[], Any], stack: ExitStack) -> Any:
        """The optimizer, with the states that it has from the beginning written down."""
        optimizer = make_optimizer()
        for parameter, state in optimizers.owned_states(optimizer):
            owner = self.attribution.owner_of(parameter)
            self.recorder.adopt(state, module=owner, category=Category.OPTIMIZER)
        self.label_states(optimizer)
        stack.enter_context(paged_off_device())
        if self.device == "meta":
            stack.enter_context(package_kernels(self.stage))
        return optimizer

    def _watch(self, model: Any, stack: ExitStack) -> None:
        self.attribution.watch(model)
        base = unwrapped(model)
        loss = getattr(base, "loss_function", None)
        if loss is not None and not isinstance(loss, torch.nn.Module):  # a module speaks for itself
            base.loss_function = self.attribution.wrap_loss(loss)
        for function in imported_functions():
            stack.enter_context(patch.object(function, "apply", self.attribution.wrap_loss(function.apply)))

    def enter(self, phase: Phase, model: Any, optimizer: Any) -> None:
        """A phase begins: what the one before made of gradients and states is known now."""
        if self.ledger.phase is Phase.BACKWARD:
            for parameter in model.parameters():
                if parameter.grad is not None:
                    self.recorder.label(parameter.grad, Category.GRADIENTS)
        elif self.ledger.phase is Phase.OPTIMIZER:
            self.label_states(optimizer)
        self.ledger.enter(phase, self.number)

    def _collate(self) -> Batch:
        """The next batch, made on the host: no block of the device."""
        with _disable_current_modes():
            return self.cast.make_batch()

    def _collating(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation with its batches made on the host."""

        def make_batch() -> Batch:
            with _disable_current_modes():
                return evaluation.make_batch()

        return replace(evaluation, make_batch=make_batch)

    def label_states(self, optimizer: Any) -> None:
        """Say of every state that is there that it is one."""
        for parameter, tensor in optimizers.owned_states(optimizer):
            if not getattr(tensor, "is_paged", False):  # torch.tensor() on meta is seen here at first
                owner = self.attribution.owner_of(parameter)
                self.recorder.place(tensor, module=owner, category=Category.OPTIMIZER)
        self.stage.paged = paged_states(optimizer)

    def _recomputing(self, inside: bool) -> None:
        if self.ledger.phase is Phase.BACKWARD:
            self.ledger.new_span(is_forward=inside)

    def _losing(self, inside: bool) -> None:
        if self.ledger.phase in (Phase.FORWARD, Phase.LOSS):
            self.ledger.enter(phase_of_loss(inside), self.number)

    def seen(self) -> Seen:
        """What came up so far, beside the blocks."""
        return Seen(
            asked=tuple(self.recorder.questions.assumed),
            unknown=dict(self.stage.unknown),
            paged=self.stage.paged,
            flops=self.recorder.flops.by_module(self.number),
        )

    def result(
        self,
        component_of: Callable[[str], str],
        batch_assumptions: tuple[str, ...] | None = None,
        beside: Seen | None = None,
    ) -> Rehearsal:
        """What there is to tell; `beside`: what came up in a rehearsal of its optimizer alone."""
        seen = self.seen() if beside is None else self.seen().joined(beside)
        flops = self._flops(seen)
        trainable = [p for p in unique_parameters(self.model) if p.requires_grad]
        versions = installed()
        adapted = AdaptedNames(self.model, component_of)
        return Rehearsal(
            timeline=self.ledger.timeline(
                adapted, {"kind": "rehearsal", "device": self.stage.target.name, "versions": versions}
            ),
            total_parameters=self.cast.total_parameters(self.model),
            trainable_parameters=sum(p.numel() for p in trainable),
            targets=adapted.targets,
            unfused=adapted.unfused,
            assumptions=(
                *(self.cast.batch_assumptions if batch_assumptions is None else batch_assumptions),
                *seen.asked,
                *self._kernels(),
                *self.loops,
                *self.cast.weight_assumptions(self.model),
                *self._repeated(),
                *_paged(seen),
                *_fused_targets(adapted.targets),
            ),
            not_modelled=(
                "generation and saving" if self.prepared.evaluation else "evaluation, generation and saving",
                *NOT_MODELLED,
                *self.cast.not_modelled,
                *seen.not_modelled,
            ),
            versions=versions,
            flops=total(flops.values()),
            paged_bytes=seen.paged[0],
            owners={path: adapted.owner(path) for path, _ in self.model.named_modules()},
            module_flops=flops,
            held=adapted.held(self.model),
        )

    def _flops(self, seen: Seen) -> dict[str, Flops]:
        """Of the last step; micro-batches are alike, so those that were not rehearsed cost the same."""
        rehearsed = min(self.cast.grad_accum, MICRO_BATCHES)
        return {path: flops.times(self.cast.grad_accum, rehearsed) for path, flops in seen.flops.items()}

    def _repeated(self) -> tuple[str, ...]:
        if self.cast.grad_accum <= MICRO_BATCHES:
            return ()
        first, last = MICRO_BATCHES + 1, self.cast.grad_accum
        if first == last:
            return (f"micro-batch {last} of a step is like the one before it",)
        return (f"micro-batches {first} to {last:,} of a step are like the one before them",)

    def _kernels(self) -> tuple[str, ...]:
        used = ", ".join(self.stage.kernels_used)
        if not used and self.cast.eager:
            return ("attention is computed step by step (eager), with its matrices of scores",)
        return (f"attention kernel: {used}",) if used else ()


NOT_MODELLED: tuple[str, ...] = (
    "several devices",
    "fragmentation from batches of other lengths",
)


def _paged(seen: Seen) -> tuple[str, ...]:
    total_bytes, at_once = seen.paged
    if not total_bytes:
        return ()
    return (
        f"{format_bytes(total_bytes)} of optimizer states are in unified memory, outside torch's allocator: each step "
        f"touches all of them, at most {format_bytes(at_once)} (one parameter's) at a time, and they stay on the device "
        "as long as it has room",
    )


def _fused_targets(targets: tuple[str, ...]) -> tuple[str, ...]:
    """Adapters on fused experts are many, and easily overlooked behind 'all-linear'."""
    fused = [name for name in targets if "." in name]
    return (f"PEFT also adapts fused parameters: {', '.join(fused)}",) if fused else ()
