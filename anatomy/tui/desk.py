"""What lies on the desk: a model, the run that is being thought about, answers that are known, runs that are pinned.

No widget and no process: what is asked of the process behind the interface is a value that `next_request` gives.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

from anatomy.documents.plan.run import run_line
from anatomy.planning.fit import Fit
from anatomy.planning.settings import make_recipe, settings_in_use
from anatomy.training.recipe import Recipe
from anatomy.tui.backstage.requests import Failed, ModelAsked, Planned, Rehearse
from anatomy.tui.compare.rows import Pin as Column
from anatomy.tui.recipe.rows import reset_value

KEPT_ANSWERS = 12
"""Answers that are kept; each holds the record of a run, some ten MiB of it for a model of 8 B."""
OPTIMIZER = frozenset({"optimizer", "optim_args", "optim_target_modules", "weight_decay"})
"""Settings that forward and backward do not see."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run as it is asked for."""

    recipe: Recipe
    chosen: frozenset[str] = frozenset()
    """Settings that someone chose; the others may give way to what the model can run."""
    gpu: str | None = None
    """The GPU whose kernels are rehearsed, and which it has to fit; None for every one of the catalog."""

    @classmethod
    def as_it_was(cls, recipe: Recipe, gpu: str | None) -> "Run":
        """A run of the past: nothing of its recipe may give way."""
        return cls(recipe=recipe, chosen=frozenset(settings_in_use(recipe)), gpu=gpu)

    @property
    def key(self) -> Hashable:
        """Equal for runs that have one answer."""
        return self.recipe, repr(sorted(self.recipe.peft.items())), self.chosen, self.gpu

    def changed(self, name: str, value: Any) -> "Run":
        """With one setting chosen, or given back (None). Raises RecipeError for what cannot be."""
        if name == "gpu":
            return replace(self, gpu=value)
        if value is None:
            back: dict[str, Any] = {name: reset_value(name, self.recipe)}
            return replace(self, recipe=replace(self.recipe, **back), chosen=self.chosen - {name})
        recipe = make_recipe({name: value}, self.recipe)
        return replace(self, recipe=recipe, chosen=self.chosen | {name})

    def same_but_for_optimizer(self, other: "Run") -> bool:
        """Whether one rehearsal of forward and backward serves both."""
        usual: dict[str, Any] = {name: getattr(Recipe(), name) for name in OPTIMIZER}
        mine, theirs = (
            replace(run, recipe=replace(run.recipe, **usual), chosen=run.chosen - OPTIMIZER)
            for run in (self, other)
        )
        return mine.key == theirs.key


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """An answer that is kept for comparison."""

    model: ModelAsked
    run: Run
    column: Column
    """As it is compared."""


class Desk:
    """One model's runs."""

    def __init__(self, model: ModelAsked, run: Run) -> None:
        self.model = model
        self.run = run
        """What is asked."""
        self.shown: tuple[Run, Planned] | None = None
        """The answer on screen, and the run that it is of."""
        self.failure: Failed | None = None
        """Why the run that is asked has no answer."""
        self.pins: list[Pin] = []
        self._known: OrderedDict[Hashable, Planned | Failed] = OrderedDict()

    @property
    def stale(self) -> bool:
        """Whether the answer on screen is not of the run that is asked."""
        return self.shown is None or self.shown[0].key != self.run.key

    def change(self, name: str, value: Any) -> None:
        """Choose a setting, or give it back (None). Raises RecipeError for what cannot be; the run then stays."""
        self.take(self.run.changed(name, value))

    def take(self, run: Run) -> None:
        """Ask for another run; what is known of it is shown at once."""
        self.run = run
        self.failure = None
        known = self._known.get(run.key)
        if known is not None:
            self._known.move_to_end(run.key)
            self._show(run, known)

    def next_request(self) -> Rehearse | None:
        """What has to be asked; None where the answer is there."""
        if not self.stale or self.failure is not None:
            return None
        return Rehearse(model=self.model, recipe=self.run.recipe, chosen=self.run.chosen, gpu=self.run.gpu)

    def learn(self, run: Run, value: Planned | Failed) -> None:
        """An answer has come; it is shown if it is of the run that is asked."""
        self._known[run.key] = value
        if len(self._known) > KEPT_ANSWERS:
            self._known.popitem(last=False)
        if run.key == self.run.key:
            self._show(run, value)

    def forget(self, run: Run) -> None:
        """Ask again for a run whose answer is known: what is on disk may have changed."""
        self._known.pop(run.key, None)
        if run.key == self.run.key:
            self.failure = None
            if self.shown is not None and self.shown[0].key == run.key:
                self.shown = None

    def beforehand(self) -> Fit | None:
        """What is known of the asked run on its GPU before that one's kernels are rehearsed: the same run's fit there."""
        everywhere = self.everywhere()
        if self.run.gpu is None or not self.stale or everywhere is None:
            return None
        return next((fit for fit in everywhere.plan.fits if fit.gpu == self.run.gpu), None)

    def everywhere_on(self) -> str:
        """The GPU whose kernels that answer is of."""
        everywhere = self.everywhere()
        return "" if everywhere is None else everywhere.plan.device

    def everywhere(self) -> Planned | None:
        """The answer for every GPU of the catalog, of the run that is asked, where it is known."""
        known = self._known.get(replace(self.run, gpu=None).key)
        return known if isinstance(known, Planned) else None

    def pin(self) -> bool:
        """Keep the answer on screen for comparison; False where it is kept already, or there is none."""
        if self.shown is None:
            return False
        run, planned = self.shown
        if any((pin.model, pin.run.key) == (self.model, run.key) for pin in self.pins):
            return False
        name = f"{self.model.reference.rpartition('/')[2]}: {run_line(planned.plan.recipe)}"
        column = Column(name=f"{name}{f' on {run.gpu}' if run.gpu else ''}", plan=planned.plan)
        self.pins.append(Pin(model=self.model, run=run, column=column))
        return True

    def _show(self, run: Run, value: Planned | Failed) -> None:
        if isinstance(value, Failed):
            self.failure = value
        else:
            self.shown, self.failure = (run, value), None
