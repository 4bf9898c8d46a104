"""Many runs of a model, compared: what they have in common is rehearsed once."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

from anatomy.alone import alone
from anatomy.api.configured import Asked, Config, asked
from anatomy.api.description import Progress, Reference, silence, trainable_description
from anatomy.api.lengths import Given, batch_of
from anatomy.api.planned import assumed_of, target_of
from anatomy.api.staged import Staged, check_optimizers, stage
from anatomy.api.stored import own_quantization
from anatomy.blueprint import Blueprint
from anatomy.errors import AnatomyError, RecipeError, RehearsalError
from anatomy.hardware.catalog import Gpu, all_gpus, lookup
from anatomy.planning.said import Said
from anatomy.training.keywords import Settings
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.memory.splice import InseparableError
    from anatomy.memory.timeline import Timeline
    from anatomy.planning.axes import Axes
    from anatomy.planning.compare import Comparison, Row
    from anatomy.rehearsal.apart import OptimizerRecord, RunApart
    from anatomy.rehearsal.rehearse import Rehearsal

    Kept = OptimizerRecord | InseparableError | AnatomyError


@alone
def compare(
    reference: Reference | None = None,
    *,
    methods: Sequence[str] | None = None,
    optimizers: Sequence[str] | None = None,
    precisions: Sequence[str] | None = None,
    quant_types: Sequence[str] | None = None,
    checkpointing: Sequence[str] | None = None,
    config: Config | None = None,
    recipe: Recipe | None = None,
    chosen: Collection[str] | None = None,
    lengths: Given | None = None,
    gpu: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
    **options: Unpack[Settings],
) -> "Comparison":
    """Every combination of the named methods, optimizers and so on: what each needs, and where it fits.

    `checkpointing`: values of `gradient_checkpointing`, and 'on'. What is not named has the value that `options`,
    `config` or `recipe` chose, else a choice of usual ones (`anatomy.planning.axes.DEFAULTS`). The other arguments are
    those of `plan`; an option that means nothing for some of the runs is left out of those. A combination that cannot
    be run is a row that says why.

    The numbers are those of `plan`, to the byte. Forward and backward are rehearsed once for all optimizers, an
    optimizer once for all runs that leave it the same parameters and gradients; `Comparison.rehearsals` counts them.

    Raises SourceError, ArchitectureError, and RecipeError for a value that no run could have.
    """
    run = asked(reference, config, recipe=recipe, chosen=chosen, revision=revision, overrides=overrides)
    base = run.recipe or Recipe()
    in_base = run.chosen if run.chosen is not None else () if run.recipe is None else base.to_dict()
    named = {
        "method": methods,
        "quant_type": quant_types,
        "gradient_checkpointing": checkpointing,
        "precision": precisions,
        "optimizer": optimizers,
    }
    made, said = batch_of(lengths, base, options, in_base)
    run = replace(run, said=said)
    settings: dict[str, Any] = {**options, **made}
    axes = _axes(named, settings, base, in_base)
    settled = {*in_base, *settings, *(name for name, values in named.items() if values is not None)}
    if run.config is not None:
        run.config.check_chosen(settled)
    (tell := progress or silence)(f"reading {run.reference}")
    return _Comparing(
        run=run,
        gpu=None if gpu is None else lookup(gpu),
        blueprint=trainable_description(run.reference, run.overrides, run.revision),
        base=base,
        options=settings,
        chosen=settled,
        axes=axes,
        trust_remote_code=trust_remote_code,
        tell=tell,
    ).comparison()


def _axes(
    named: Mapping[str, Sequence[str] | None],
    options: Mapping[str, Any],
    base: Recipe,
    chosen: Collection[str],
) -> "Axes":
    """What is varied. Raises RecipeError for a value or an option that means nothing in any run."""
    from anatomy.planning.axes import check_meant, choose_axes

    axes = choose_axes(named, options, base, chosen)
    check_optimizers(*axes.optimizers)
    check_meant(base, options, axes.runs())
    return axes


@dataclass(kw_only=True)
class _Comparing:
    """A comparison under way."""

    run: Asked
    blueprint: Blueprint
    base: Recipe
    options: Mapping[str, Any]
    chosen: Collection[str]
    axes: "Axes"
    gpu: Gpu | None
    trust_remote_code: bool
    tell: Progress

    def __post_init__(self) -> None:
        self.stands_for, self.target = target_of(self.gpu)
        self.device = self.gpu or self.stands_for
        self.kept: dict[Hashable, Kept] = {}
        self.counts: Counter[str] = Counter()
        self.done = 0
        self.assumed, self.assumed_of_optimizers = Said(), Said()
        self.missing, self.missing_of_optimizers = Said(), Said()
        self.warned = Said()
        self.first: Staged | None = None
        self.versions: Mapping[str, str] = {}

    def comparison(self) -> "Comparison":
        """All of it."""
        from anatomy.planning.compare import Comparison, Rehearsals, smallest_first

        rows = [row for varied in self.axes.runs() for row in self._rows(varied)]
        staged = self.first
        if staged is None:  # not even one run's settings are possible
            raise RecipeError(f"Nothing can be compared: {rows[0].reason}", hint="name other combinations")
        return Comparison(
            model=staged.name,
            axes=self.axes,
            gpu=None if self.gpu is None else self.gpu.name,
            device=self.device.name,
            rows=smallest_first(rows),
            rehearsals=Rehearsals(**self.counts),
            assumptions=(*self.run.assumed, *self.assumed.lines(), *self.assumed_of_optimizers.lines()),
            not_modelled=(
                *self.run.not_modelled,
                *self.missing.lines(),
                *self.missing_of_optimizers.lines(),
            ),
            warnings=self.warned.lines(),
            notes=(*staged.blueprint.notes, *staged.skeleton.notes),
            versions=self.versions,
        )

    def _rows(self, varied: Mapping[str, str]) -> Iterator["Row"]:
        """One run with each optimizer."""
        from anatomy.planning.axes import make_run
        from anatomy.planning.compare import refused

        at = self.done
        recipes: dict[str, Recipe] = {}
        for name in self.axes.optimizers:
            try:
                recipes[name] = make_run(self.base, self.options, {**varied, "optimizer": name})
            except RecipeError as error:
                yield refused(varied, name, error)
        try:
            yield from self._run(varied, recipes)
        except (RecipeError, RehearsalError) as error:
            yield from (refused(varied, name, error) for name in recipes)
        self.done = at + 1 + len(self.axes.optimizers)

    def _run(self, varied: Mapping[str, str], recipes: Mapping[str, Recipe]) -> Iterator["Row"]:
        """Raises RecipeError, RehearsalError before the first row where no optimizer could be run."""
        from anatomy.planning.compare import refused
        from anatomy.rehearsal.apart import rehearse_apart

        if not recipes:
            return
        label = ", ".join(value for name, value in varied.items() if name in ("method", *self.axes.varied))
        self._begin(f"forward and backward of {label}")
        recipe = next(iter(recipes.values()))
        staged = stage(
            self.blueprint,
            recipe,
            self.chosen,
            trust_remote_code=self.trust_remote_code,
            capability=self.target.capability,
        )
        self.first = self.first or staged
        apart = None
        if not recipe.optimizer_in_backward:
            apart = rehearse_apart(
                staged.skeleton.model,
                staged.recipe,
                component_of=staged.component_of,
                target=self.target,
            )
            self.counts["runs"] += 1
            self._say(varied, staged, apart.rehearsal)
        for name, asked_for in recipes.items():
            self._begin(f"{name} in {label}")
            adapted = {setting: getattr(staged.recipe, setting) for setting in staged.adapted}
            try:
                yield self._row(varied, staged, apart, replace(asked_for, **adapted))
            except (RecipeError, RehearsalError) as error:
                yield refused(varied, name, error)

    def _begin(self, what: str) -> None:
        """Tell how far it is."""
        runs = sum(1 for _ in self.axes.runs())
        self.done += 1
        self.tell(f"{what}: {self.done} of {runs * (1 + len(self.axes.optimizers))}")

    def _row(
        self, varied: Mapping[str, str], staged: Staged, apart: "RunApart | None", recipe: Recipe
    ) -> "Row":
        from anatomy.memory.footprint import footprint
        from anatomy.planning.compare import Row
        from anatomy.planning.fit import fit_all, smallest_fit
        from anatomy.planning.plan import steady_state

        rehearsal, timeline = self._rehearsed(varied, staged, apart, recipe)
        unlimited, notes = steady_state(timeline)
        self.assumed.add(varied["method"], notes)
        timeline = unlimited.timeline
        known: dict[str, Any] = {
            "bf16": "bf16" in recipe.precision,
            "rehearsed_on": self.stands_for.compute_capability,
        }
        if self.gpu is None:
            fit = smallest_fit(timeline, unlimited, all_gpus(), **known)
        else:
            (fit,) = fit_all(timeline, unlimited, (self.gpu,), **known)
        return Row(
            varied={**varied, "optimizer": recipe.optimizer},
            recipe=recipe,
            total_parameters=rehearsal.total_parameters,
            trainable_parameters=rehearsal.trainable_parameters,
            footprint=footprint(timeline, unlimited),
            context_bytes=self.device.context_bytes,
            fit=fit,
        )

    def _rehearsed(
        self, varied: Mapping[str, str], staged: Staged, apart: "RunApart | None", recipe: Recipe
    ) -> tuple["Rehearsal", "Timeline"]:
        """The run with its optimizer: put together from two rehearsals, or rehearsed whole where that cannot be."""
        from anatomy.memory.splice import InseparableError
        from anatomy.rehearsal.rehearse import rehearse

        try:
            if apart is not None:
                record = self._optimizer(apart, recipe)
                timeline = apart.with_optimizer(record)
                self.assumed_of_optimizers.add(recipe.optimizer, record.assumptions)
                self.missing_of_optimizers.add(recipe.optimizer, record.not_modelled)
                return apart.rehearsal, timeline
        except (InseparableError, RehearsalError):
            pass  # what fails alone may run in a whole one; if it does not, that one says why
        model = staged.rebuilt().model
        whole = rehearse(model, recipe, component_of=staged.component_of, target=self.target)
        self.counts["whole"] += 1
        self._say(varied, staged, whole)
        return whole, whole.timeline

    def _optimizer(self, apart: "RunApart", recipe: Recipe) -> "OptimizerRecord":
        """The record of an optimizer on this set of parameters, made once; or the same error once more."""
        from anatomy.memory.splice import InseparableError

        key = recipe.optimizer, apart.parameter_set
        if key not in self.kept:
            try:
                self.kept[key] = apart.rehearse_optimizer(recipe)
                self.counts["optimizers"] += 1
            except (InseparableError, AnatomyError) as error:
                self.kept[key] = error.with_traceback(None)
        found = self.kept[key]
        if isinstance(found, Exception):
            raise found
        return found

    def _say(self, varied: Mapping[str, str], staged: Staged, rehearsal: "Rehearsal") -> None:
        method = varied["method"]
        quantized = own_quantization(staged.blueprint, staged.recipe)
        self.versions = rehearsal.versions
        self.assumed.add(method, assumed_of(rehearsal, self.stands_for, self.gpu))
        self.missing.add(method, (*rehearsal.not_modelled, *(missing for missing, _ in quantized if missing)))
        self.warned.add(method, self.run.warnings(staged.blueprint, staged.recipe))
        self.warned.add(method, (*staged.warnings, *(warning for _, warning in quantized)))
