"""The charts of what the other rooms found: of a plan, a comparison, a model taken apart, predictions beside measurements."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from anatomy.documents.charts import (
    Accuracy,
    Bar,
    Breakdown,
    Chart,
    MemoryTimeline,
    PhaseLevels,
    Point,
    Tile,
    Treemap,
)
from anatomy.documents.document import named
from anatomy.documents.scene import scene
from anatomy.errors import AnatomyError
from anatomy.hardware.catalog import lookup
from anatomy.memory.allocator import spans
from anatomy.memory.levels import CATEGORIES, sampled
from anatomy.planning.compare import NAMES

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.architecture.fold import Folded
    from anatomy.memory.footprint import Footprint
    from anatomy.memory.timeline import Category
    from anatomy.planning.compare import Comparison, Row
    from anatomy.planning.fit import Fit
    from anatomy.planning.plan import Plan
    from anatomy.profiling.record import Record
    from anatomy.validation.scores import Validation

COLUMNS = 320
"""Of a timeline, unless someone says otherwise."""


def chart_of(answer: "Plan | Comparison | Anatomy | Validation | Record | Chart") -> "Chart":
    """The chart that shows an answer best; a chart itself as it is. Raises AnatomyError where there is nothing to draw."""
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.planning.compare import Comparison
    from anatomy.planning.plan import Plan
    from anatomy.profiling.record import Record
    from anatomy.validation.scores import Validation

    match answer:
        case Plan():
            found = timeline_of(answer)
            if found is None:
                raise AnatomyError("There is nothing to draw: the run never allocates anything.")
            return found
        case Comparison():
            return comparison_breakdown(answer)
        case Anatomy():
            return treemap_of(answer)
        case Validation():
            return accuracy_of(answer)
        case Record():
            return phase_levels(answer)
        case MemoryTimeline() | Breakdown() | Treemap() | Accuracy() | PhaseLevels():
            return answer
        case _:
            raise AnatomyError(
                f"There is no picture of {type(answer).__name__}.",
                hint="of a plan, a comparison, a model (anatomy.show), a validation or a measured run there is one",
            )


def timeline_of(
    plan: "Plan", gpu: str | None = None, columns: int = COLUMNS, *, whole: bool = False
) -> MemoryTimeline | None:
    """The step in which a plan's peak is; with `whole`, loading and every step. None where nothing is ever allocated.

    `gpu`: the card whose line is drawn, by name; else the one planned for, else the smallest that will do. Raises
    RecipeError for a card that is not in the catalog.
    """
    from anatomy.documents.plan.run import run_line

    name, capacity = _card(plan, gpu)
    fit = next((fit for fit in plan.fits if fit.gpu == name), None)
    found = scene(plan.replay, capacity, name, fit.out_of_memory if fit else None)
    if found is None:
        return None
    start, stop = (0, found.levels.entries) if whole else _step_of(plan, found.peak_index)
    return MemoryTimeline(
        title=f"{named(plan.model.id, plan.model.overrides)}: {run_line(plan.recipe)}",
        scene=found,
        sampled=sampled(found.levels, columns, start, stop),
    )


def _card(plan: "Plan", gpu: str | None) -> tuple[str, int | None]:
    """(name, what a process can allocate on it beside its context); the last of all where the run fits nowhere."""
    if gpu is not None:
        asked = lookup(gpu)
        return asked.name, asked.memory_bytes - asked.context_bytes
    fit = plan.smallest_fit or next(reversed(plan.fits), None)
    return ("", None) if fit is None else (fit.gpu, _room(fit))


def _room(fit: "Fit") -> int:
    return fit.memory_bytes - fit.context_bytes


def _step_of(plan: "Plan", index: int) -> tuple[int, int]:
    """The entries [start, stop) of the step that an entry belongs to."""
    step = plan.replay.timeline.mark_at(index).step
    own = [(start, stop) for mark, start, stop in spans(plan.replay) if mark.step == step]
    return own[0][0], own[-1][1]


def breakdown_of(*plans: "Plan", title: str = "") -> Breakdown:
    """The peaks of one or several plans, in the order of size; with the card's line where they all name one card."""
    from anatomy.documents.plan.run import run_line

    models = {named(plan.model.id, plan.model.overrides) for plan in plans}
    fits = [plan.fits[0] for plan in plans if len(plan.fits) == 1]
    one = len(fits) == len(plans) and len({fit.gpu for fit in fits}) == 1
    bars = [
        Bar(
            label=run_line(plan.recipe) if len(models) == 1 else f"{plan.model.id}, {run_line(plan.recipe)}",
            parts=_parts(plan.footprint),
            reserved_bytes=plan.footprint.peak_reserved_bytes,
            device_bytes=plan.device_bytes,
            fits=plan.fits[0].fits if one else None,
        )
        for plan in plans
    ]
    return Breakdown(
        title=title or ", ".join(sorted(models)),
        bars=tuple(sorted(bars, key=lambda bar: bar.total_bytes)),
        capacity_bytes=_room(fits[0]) if one else None,
        capacity_name=fits[0].gpu if one else "",
    )


def comparison_breakdown(comparison: "Comparison") -> Breakdown:
    """The peaks of a comparison's runs, each labelled by what is varied; with the line of the card that was asked for."""
    gpu = None if comparison.gpu is None else lookup(comparison.gpu)
    return Breakdown(
        title=f"{named(comparison.model.id, comparison.model.overrides)}: in use at the peak of each run",
        bars=tuple(_bar(row, comparison) for row in comparison.ran),
        left_out=tuple((_label(row, comparison), row.reason) for row in comparison.rows if row.reason),
        capacity_bytes=None if gpu is None else gpu.memory_bytes - gpu.context_bytes,
        capacity_name="" if gpu is None else gpu.name,
    )


def _bar(row: "Row", comparison: "Comparison") -> Bar:
    assert row.footprint is not None, "what ran has a footprint"
    return Bar(
        label=_label(row, comparison),
        parts=_parts(row.footprint),
        reserved_bytes=row.footprint.peak_reserved_bytes,
        device_bytes=row.footprint.device_bytes(row.context_bytes),
        fits=row.fits if comparison.gpu else None,
    )


def _label(row: "Row", comparison: "Comparison") -> str:
    """'qlora, adafactor': what tells it from the others."""
    shown = [row.varied[name] for name in NAMES if name in comparison.axes.varied and name in row.varied]
    return ", ".join(shown) or row.label


def _parts(found: "Footprint") -> "tuple[tuple[Category, int], ...]":
    sizes = found.by_category
    return tuple((category, sizes[category]) for category in CATEGORIES if category in sizes)


def treemap_of(anatomy: "Anatomy") -> Treemap:
    """A model's parameters by module."""
    from anatomy.architecture.fold import fold

    return Treemap(
        title=named(anatomy.id, anatomy.overrides),
        root=_tile(fold(anatomy.tree), anatomy.architecture or "model", 1),
        by_component=tuple(anatomy.by_component.items()),
    )


def _tile(at: "Folded", label: str, around: int) -> Tile:
    """A module with what is inside; a list that holds but identical layers is one with them: 'layers.0-31'."""
    node, children = at.node, at.children
    if len(children) == 1 and children[0].times > 1 and not node.own:
        return _tile(children[0], f"{label}.{children[0].label}", around * at.times)
    times = around * at.times
    inner = tuple(_tile(child, child.label, times) for child in children if child.parameters)
    return Tile(
        label=label,
        path=node.path,
        kind=node.kind,
        component=node.component if children else _most(node.by_component()),
        parameters=times * node.parameters,
        times=at.times,
        children=(*_own(at, times), *inner) if children else (),
    )


def _own(at: "Folded", times: int) -> Iterator[Tile]:
    """Parameters that a module with children owns itself, so that what is inside adds up."""
    for own in at.node.own:
        yield Tile(
            label=own.name,
            path=f"{at.node.path}.{own.name}".removeprefix("."),
            kind="",
            component=_most(dict(own.parts)),
            parameters=times * sum(count for _, count in own.parts),
        )


def _most(parts: Mapping[str, int]) -> str:
    return max(parts, key=lambda name: parts[name], default="")


def accuracy_of(validation: "Validation", metric: str = "peak allocated") -> Accuracy:
    """One metric of a grid's cells that are scored; what failed or is not scored is named."""
    scored = [(score, score.figure(metric)) for score in validation.cells if not score.not_scored]
    return Accuracy(
        title=f"{validation.title}: {metric}",
        points=tuple(
            Point(
                label=score.cell.name,
                family=score.cell.family,
                method=score.cell.recipe.method,
                figure=metric,
                predicted_bytes=figure.predicted_bytes,
                measured_bytes=figure.measured_bytes,
            )
            for score, figure in scored
            if figure is not None
        ),
        left_out=tuple(
            (score.cell.name, score.failure or score.not_scored or f"{metric} was not measured")
            for score in validation.cells
            if score.not_scored or score.figure(metric) is None
        ),
    )


def phase_levels(record: "Record") -> PhaseLevels:
    """The phases of loading, of the first step and of the last, measured and predicted.

    Raises AnatomyError where no phase was finished; RehearsalError for a record with a damaged timeline.
    """
    from anatomy.documents.plan.run import run_line
    from anatomy.validation.comparison import compare

    comparison, run = compare(record), record.measurement
    last = max((row.step for row in comparison.phases), default=0)
    rows = tuple(row for row in comparison.phases if row.step in (0, 1, last))
    if not rows:
        raise AnatomyError(
            "There is nothing to draw: no phase was measured to its end.",
            hint="`--export` writes the timeline as far as it came",
        )
    return PhaseLevels(
        title=f"{named(run.model.id, run.model.overrides)}: {run_line(run.recipe)}, measured on {run.machine.name}",
        what="allocated" if comparison.unit == "allocator" else "requested",
        rows=rows,
    )


def published_accuracy(study: Mapping[str, Any], title: str = "Published runs") -> Accuracy:
    """Published figures beside their predictions: `study` as `reports/published.json` has it, or
    `reports/published_versions.json`, of which the scored runs are drawn.

    `family` is who published them.
    """
    lines = study["scored" if "scored" in study else "comparisons"]
    return Accuracy(
        title=title,
        points=tuple(
            Point(
                label=line["id"],
                family=line["source"].partition("@")[0].partition(":")[0],
                method=line["method"],
                figure=line["figure"],
                predicted_bytes=line["predicted_bytes"],
                measured_bytes=line["measured_bytes"],
            )
            for line in lines
            if line["predicted_bytes"] is not None
        ),
        left_out=tuple(
            (f"{line['id']}, {line['figure']}", line["failure"])
            for line in lines
            if line["predicted_bytes"] is None
        ),
    )
