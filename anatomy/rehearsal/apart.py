"""A run and its optimizers, rehearsed apart.

Forward and backward do not see the optimizer; the optimizer sees parameters and gradients, not the batch. So the run is
rehearsed once, with nothing in the optimizer's place, and each optimizer once, on the loaded model with gradients laid
there as backward would. `memory.splice` puts the two together. What does not keep to this (an optimizer with
hooks on parameters, one that replaces weights or gradients) is told by what it does, and refused.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from anatomy.memory.splice import REPLACED, InseparableError, leave_out, splice
from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.rehearsal.adapted import AdaptedNames
from anatomy.rehearsal.cast import RecipeCast, optimizer_assumptions
from anatomy.rehearsal.cuda import Stage, Target
from anatomy.rehearsal.guards import failures_named
from anatomy.rehearsal.kernels.bitsandbytes_cuda import import_quietly
from anatomy.rehearsal.kernels.kernel_packages import import_packages
from anatomy.rehearsal.rehearse import STEPS, Rehearsal, Rehearsing
from anatomy.rehearsal.rehearsed import Seen
from anatomy.training.optimizers.build import build_optimizer
from anatomy.training.optimizers.kinds import kind_of
from anatomy.training.quantized.base import code_books
from anatomy.training.recipe import Recipe
from anatomy.training.step import make_scaler, update


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerRecord:
    """What an optimizer did, whatever the run before it was."""

    timeline: Timeline
    """Loading it, then clipping and the optimizer's phase, step by step."""
    recipe: Recipe
    """Whose optimizer it is."""
    seen: Seen

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was assumed of this optimizer."""
        return (*optimizer_assumptions(self.recipe), *self.seen.asked)

    @property
    def not_modelled(self) -> tuple[str, ...]:
        """What is missing of this optimizer."""
        return self.seen.not_modelled


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layout:
    """A trained parameter as an optimizer sees it."""

    name: str
    owner: type
    """Class of the module that holds it: optimizers treat embeddings and norms in their own ways."""
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    gradient: tuple[tuple[int, ...], torch.dtype] | None
    """Strides and dtype; None for a parameter that gets none."""


class RunApart:
    """A run that was rehearsed with nothing in the optimizer's place; optimizers are rehearsed on what it leaves."""

    def __init__(
        self, running: "_Running", cast: RecipeCast, recipe: Recipe, component_of: Callable[[str], str]
    ) -> None:
        self._running = running
        self._recipe = recipe
        self._component_of = component_of
        self._said = cast.assumed_with
        self._left = _seen(running.model)
        self._names = AdaptedNames(running.model, component_of)
        self.rehearsal: Rehearsal = running.result(component_of)
        """Of the run without its optimizer."""

    @property
    def parameter_set(self) -> Hashable:
        """All that an optimizer's record depends on beside its recipe: where two runs agree, one record serves both."""
        running = self._running
        scaled = running.prepared.scaler is not None
        return running.layouts, scaled, self._recipe.max_grad_norm > 0, running.stage.workspaces_taken

    def with_optimizer(self, record: OptimizerRecord) -> Timeline:
        """The whole run's timeline. Raises InseparableError."""
        return splice(self.rehearsal.timeline, self._running.optimizer_made_at, record.timeline)

    def whole(self, record: OptimizerRecord, recipe: Recipe) -> Rehearsal:
        """The rehearsal of `recipe`: this run's, with the optimizer of `record`. Raises InseparableError."""
        running = self._running
        joined = running.result(self._component_of, self._said(recipe), record.seen)
        return replace(joined, timeline=self.with_optimizer(record))

    def rehearse_optimizer(self, recipe: Recipe) -> OptimizerRecord:
        """Two steps of `recipe`'s optimizer on this run's parameters and gradients.

        Raises InseparableError for an optimizer that does not keep to itself, RecipeError for one that cannot be made,
        RehearsalError for one that fails.
        """
        running, model = self._running, self._running.model
        if running.layouts is None:
            raise InseparableError("gradients differ from step to step")
        if kind_of(recipe.optimizer).in_backward or recipe.optimizer_in_backward:
            raise InseparableError("the optimizer steps in backward")
        solo = Rehearsing(running.cast, running.stage.next(), running.device)
        solo.attribution.watch(model)
        given = _Given(solo)
        with solo.on_stage() as stack:
            scaler = self._scaler()
            given.adopt((*model.parameters(), *model.buffers(), *_scales(scaler)))
            optimizer = solo.equip(lambda: build_optimizer(model, recipe), stack)
            run = replace(running.prepared, optimizer=optimizer, scaler=scaler)
            for solo.number in range(1, STEPS + 1):
                self._check_model()
                given.adopt(self._lay_gradients())
                with failures_named(solo.attribution.path_of):
                    update(run, lambda phase: solo.enter(phase, model, optimizer))
            self._check_model()
            if code_books():
                raise InseparableError("the optimizer shares bitsandbytes' code books with the run")
            solo.recorder.close()
        return OptimizerRecord(
            timeline=leave_out(solo.ledger.timeline(self._names, {}), given.blocks),
            recipe=recipe,
            seen=solo.seen(),
        )

    def _check_model(self) -> None:
        """Raises InseparableError once an optimizer, this one or one before it, has had its way with the model."""
        if _seen(self._running.model) != self._left:
            raise InseparableError("an optimizer changes what is trained, or hooks itself into backward")

    def _scaler(self) -> Any:
        """A GradScaler that has scaled a loss, as it has before an optimizer steps; None where the run has none."""
        prepared = self._running.prepared
        scaler = make_scaler(prepared.recipe, prepared.device)
        if scaler is not None:
            with _disable_current_modes():
                scaler.scale(torch.zeros((), device=prepared.device))
        return scaler

    def _lay_gradients(self) -> Iterator[torch.Tensor]:
        """Gradients as backward leaves them."""
        running = self._running
        for parameter, layout in zip(_trained(running.model).values(), running.layouts or (), strict=True):
            if layout.gradient is not None:
                stride, dtype = layout.gradient
                with _disable_current_modes():
                    parameter.grad = torch.empty_strided(
                        layout.shape, stride, dtype=dtype, device=running.device
                    )
                yield parameter.grad


class _Given:
    """What an optimizer finds: in its record so that it is not taken for new, and known not to be its own."""

    def __init__(self, solo: Rehearsing) -> None:
        self._solo = solo
        self.blocks: set[int] = set()

    def adopt(self, tensors: Iterable[torch.Tensor]) -> None:
        """Write down that these are there."""
        start = self._solo.ledger.length
        for tensor in tensors:
            self._solo.recorder.adopt(tensor, module="", category=Category.WEIGHTS)
        self.blocks.update(self._solo.ledger.since(start))


def rehearse_apart(
    model: Any, recipe: Recipe, *, component_of: Callable[[str], str], target: Target | None = None
) -> RunApart:
    """Rehearse `recipe` but for its optimizer; see `rehearse` for arguments and errors."""
    if recipe.uses_adapters:
        import_quietly()
    import_packages(recipe, target or Target())
    recipe = replace(recipe, optimizer="sgd", optim_args=None, optim_target_modules=None)  # it says nothing
    cast = _Unoptimized(model, recipe, "meta")
    running = _Running(cast, Stage(target=target or Target()), "meta")
    running.run(STEPS)
    return RunApart(running, cast, recipe, component_of)


class _Placeholder:
    """Where an optimizer would be. A GradScaler reads `param_groups`, and asks nothing of one that looks for overflows itself."""

    _step_supports_amp_scaling = True

    def __init__(self, model: Any) -> None:
        self.param_groups = [{"params": [p for p in model.parameters() if p.requires_grad]}]
        self.state: dict[Any, Any] = {}

    def step(self) -> None:
        """Nothing."""


class _Unoptimized(RecipeCast):
    """A recipe's run without its optimizer."""

    def make_optimizer(self, model: Any) -> Any:
        return _Placeholder(model)


class _Running(Rehearsing):
    """Notes what gradients each step leaves to the optimizer."""

    layouts: tuple[_Layout, ...] | None = ()
    """Of the trained parameters, in the model's order; None when one step's differ from another's."""

    def enter(self, phase: Phase, model: Any, optimizer: Any) -> None:
        if phase in REPLACED and self.ledger.phase is Phase.BACKWARD:
            found = _layouts(model)
            self.layouts = found if self.layouts in ((), found) else None
        super().enter(phase, model, optimizer)


def _trained(model: Any) -> dict[str, Any]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _layouts(model: Any) -> tuple[_Layout, ...] | None:
    trained = _trained(model)
    if any(p.grad is not None and p.grad.layout is not torch.strided for p in trained.values()):
        return None
    return tuple(
        _Layout(
            name=name,
            owner=type(model.get_submodule(name.rpartition(".")[0])),
            shape=tuple(p.shape),
            stride=p.stride(),
            dtype=p.dtype,
            gradient=None if p.grad is None else (p.grad.stride(), p.grad.dtype),
        )
        for name, p in trained.items()
    )


def _seen(model: Any) -> list[Hashable]:
    """What an optimizer that keeps to itself leaves as it is: which tensors are trained, and hooks on them."""
    return [
        (name, id(p), p.dtype, p.requires_grad, *map(len, _hooks(p))) for name, p in model.named_parameters()
    ]


def _hooks(parameter: Any) -> tuple[Any, Any]:
    return parameter._backward_hooks or (), parameter._post_accumulate_grad_hooks or ()


def _scales(scaler: Any) -> tuple[torch.Tensor, ...]:
    return () if scaler is None else tuple(v for v in vars(scaler).values() if isinstance(v, torch.Tensor))
