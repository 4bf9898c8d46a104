"""One model, planned again and again: what its runs have in common is read, built and rehearsed once."""

from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anatomy.alone import alone
from anatomy.api.configured import Asked, asked, settled
from anatomy.api.description import Progress, show, silence, trainable_description
from anatomy.api.own import INPUTS, plan_own
from anatomy.api.planned import plan_of, rehearse_staged, target_of
from anatomy.api.staged import Staged, stage
from anatomy.architecture.own import own_reference
from anatomy.errors import RehearsalError
from anatomy.hardware.catalog import lookup
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.blueprint import Blueprint
    from anatomy.planning.plan import Plan
    from anatomy.rehearsal.apart import OptimizerRecord, RunApart
    from anatomy.rehearsal.rehearse import Rehearsal

KEPT_RUNS = 4
"""Runs without their optimizer that are kept; each holds a model on meta and a record."""


class Studio:
    """Plans of one model. Its answers are those of `plan`, to the byte and to the word.

    A change of the optimizer alone rehearses the optimizer alone; a change of the GPU to one of the same kernels
    rehearses nothing.
    """

    def __init__(
        self,
        reference: str,
        *,
        overrides: Mapping[str, Any] | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.reference = reference
        self._overrides = dict(overrides or {})
        self._revision = revision
        self._trust = trust_remote_code
        self._blueprint: Blueprint | None = None
        self._runs: OrderedDict[Hashable, tuple[Staged, RunApart]] = OrderedDict()
        self._records: dict[Hashable, OptimizerRecord] = {}

    @alone
    def show(self, progress: Progress | None = None) -> "Anatomy":
        """The model, taken apart; see `anatomy.api.show`."""
        return show(
            self.reference,
            overrides=self._overrides,
            revision=self._revision,
            trust_remote_code=self._trust,
            progress=progress,
        )

    @alone
    def plan(
        self,
        recipe: Recipe,
        *,
        chosen: Collection[str] = (),
        gpu: str | None = None,
        progress: Progress | None = None,
    ) -> "Plan":
        """A run of this model. `chosen`: settings of `recipe` that someone chose; the others may give way. Raises as `plan`."""
        tell = progress or silence
        run = asked(
            self.reference,
            None,
            recipe=recipe,
            chosen=chosen,
            revision=self._revision,
            overrides=self._overrides,
        )
        run, recipe, names = settled(run, {}, None)
        on = None if gpu is None else lookup(gpu)
        if own_reference(self.reference) is not None:
            return plan_own(self.reference, recipe, names, inputs=INPUTS, gpu=on, progress=tell)
        target = target_of(on)[1]
        staged, rehearsal = self._rehearsed(run, recipe, names, target, tell)
        return plan_of(staged, rehearsal, run, on, tell)

    def _rehearsed(
        self, run: Asked, recipe: Recipe, chosen: Collection[str], target: Any, tell: Progress
    ) -> tuple[Staged, "Rehearsal"]:
        from anatomy.memory.splice import InseparableError

        if not recipe.optimizer_in_backward:
            staged, apart = self._apart(run, recipe, chosen, target, tell)
            staged = _with_optimizer_of(staged, recipe)
            try:
                return staged, apart.whole(self._optimizer(apart, staged.recipe, tell), staged.recipe)
            except (InseparableError, RehearsalError):
                pass  # what fails alone may run in a whole one; if it does not, that one says why
        staged = self._stage(run, recipe, chosen, target, tell)
        tell("rehearsing the training step")
        return staged, rehearse_staged(staged, target)

    def _apart(
        self, run: Asked, recipe: Recipe, chosen: Collection[str], target: Any, tell: Progress
    ) -> tuple[Staged, "RunApart"]:
        """The run without its optimizer: one that was kept, or a new one."""
        from anatomy.rehearsal.apart import rehearse_apart

        key = (
            replace(recipe, **_NO_OPTIMIZER),
            str(dict(recipe.peft)),
            frozenset({*chosen} - _NO_OPTIMIZER.keys()),
            target,
        )
        if key not in self._runs:
            staged = self._stage(run, recipe, chosen, target, tell)
            tell("rehearsing the training step")
            apart = rehearse_apart(
                staged.skeleton.model, staged.recipe, component_of=staged.component_of, target=target
            )
            self._runs[key] = staged, apart
            if len(self._runs) > KEPT_RUNS:
                self._runs.popitem(last=False)
        self._runs.move_to_end(key)
        return self._runs[key]

    def _optimizer(self, apart: "RunApart", recipe: Recipe, tell: Progress) -> "OptimizerRecord":
        """Raises InseparableError, RehearsalError."""
        key = _optimizer_of(recipe), apart.parameter_set
        if key not in self._records:
            tell(f"rehearsing {recipe.optimizer}")
            self._records[key] = apart.rehearse_optimizer(recipe)
        return self._records[key]

    def _stage(
        self, run: Asked, recipe: Recipe, chosen: Collection[str], target: Any, tell: Progress
    ) -> Staged:
        if self._blueprint is None:
            tell(f"reading {self.reference}")
            self._blueprint = trainable_description(self.reference, run.overrides, run.revision)
        tell("building the model without its weights")
        return stage(
            self._blueprint,
            recipe,
            chosen,
            trust_remote_code=self._trust,
            capability=target.capability,
        )


_NO_OPTIMIZER: dict[str, Any] = {
    "optimizer": Recipe().optimizer,
    "optim_args": None,
    "optim_target_modules": None,
    "weight_decay": 0.0,
}
"""The settings that a run without its optimizer does not see."""


def _optimizer_of(recipe: Recipe) -> Hashable:
    return tuple(getattr(recipe, name) for name in _NO_OPTIMIZER)


def _with_optimizer_of(staged: Staged, recipe: Recipe) -> Staged:
    settings = {name: getattr(recipe, name) for name in _NO_OPTIMIZER}
    return replace(staged, recipe=replace(staged.recipe, **settings))
