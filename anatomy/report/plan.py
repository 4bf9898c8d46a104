"""What `anatomy plan` says: the answer first, then why, then what it rests on."""

from collections.abc import Iterator

from anatomy.planning.fit import Fit
from anatomy.planning.plan import Plan
from anatomy.planning.settings import settings_in_use
from anatomy.planning.words import where
from anatomy.report.document import (
    Bars,
    Block,
    Column,
    Document,
    Facts,
    Notes,
    Sentence,
    Table,
    as_text,
)
from anatomy.training.recipe import Recipe
from anatomy.units import format_bytes, format_count, format_gib, format_share

SMALLER_SHOWN = 2
"""GPUs below the best one in the terminal's table: so many that are too small, and as many with reservations."""
STEP_BETWEEN_SHOWN = 1.25
"""Above it, the next GPU shown has at least this many times the memory of the last ..."""
LARGER_SHOWN = 6
"""... and there are at most so many."""


def plan_document(plan: Plan) -> Document:
    """The report on a planned run."""
    blocks: list[Block] = [_answer(plan), _peak(plan), _where(plan)]
    if plan.warnings:
        blocks.append(Notes(title="Warnings", items=plan.warnings, tone="caution"))
    blocks += [_breakdown(plan), _fits(plan), _resting(plan), _recipe(plan)]
    if plan.notes:
        blocks.append(Notes(title="About the model", items=plan.notes))
    blocks += [
        Notes(title="Assumed", items=plan.assumptions),
        Notes(title="Not modelled", items=plan.not_modelled),
        Sentence(text=f"{plan.model.architecture}, read from {plan.model.origin}."),
        Sentence(text="Rehearsed with " + ", ".join(f"{k} {v}" for k, v in plan.versions.items()) + "."),
    ]
    return Document(
        title=f"{plan.model.id}: {_run(plan.recipe)}",
        blocks=tuple(blocks),
        table=_flat(plan),
        data=plan.to_dict(),
    )


def _run(recipe: Recipe) -> str:
    """'qlora r 64, bf16, 1 × 2,048 tokens': the run in a line."""
    rank = f" r {recipe.r}" if recipe.uses_adapters else ""
    return f"{recipe.method}{rank}, {recipe.precision}, {recipe.batch_size} × {recipe.seq_len:,} tokens"


def _answer(plan: Plan) -> Sentence:
    if len(plan.fits) == 1:
        return _answer_for(plan.fits[0])
    best = plan.smallest_fit
    if best is None:
        return Sentence(
            text=f"Does not fit on any single GPU of the table (the largest: {plan.fits[-1].gpu}).",
            tone="bad",
        )
    smaller = next(fit for fit in plan.fits if fit.fits)
    without = "" if smaller is best else f" without reservations ({smaller.gpu}: {_remark(smaller)})"
    return Sentence(
        text=f"{best.verdict.capitalize()} on {best.gpu} ({format_gib(best.memory_bytes)}) "
        f"with {format_gib(best.headroom_bytes)} to spare: the smallest GPU that will do{without}.",
        tone="good",
    )


def _answer_for(fit: Fit) -> Sentence:
    failure = fit.out_of_memory
    if failure is None:
        return Sentence(
            text=f"{fit.verdict.capitalize()} on {fit.gpu} ({format_gib(fit.memory_bytes)}) "
            f"with {format_gib(fit.headroom_bytes)} to spare.",
            tone="good",
        )
    place = where(failure.phase, failure.step, failure.module, failure.op)
    return Sentence(
        text=f"Does not fit on {fit.gpu} ({format_gib(fit.memory_bytes)}): out of memory {place}.",
        tone="bad",
    )


def _peak(plan: Plan) -> Facts:
    found = plan.footprint
    trainable = format_share(plan.trainable_parameters, plan.total_parameters)
    return Facts(
        items=(
            ("peak allocated", f"{format_gib(found.peak_allocated_bytes)}  blocks in use"),
            ("peak reserved", f"{format_gib(found.peak_reserved_bytes)}  held by torch's caching allocator"),
            (
                "on the device",
                f"{format_gib(plan.device_bytes)}  reserved + {format_gib(plan.context_bytes)} CUDA context "
                f"({plan.device})",
            ),
            (
                "trainable",
                f"{format_count(plan.trainable_parameters)} of {format_count(plan.total_parameters)} parameters "
                f"({trainable})",
            ),
        )
    )


def _where(plan: Plan) -> Sentence:
    return Sentence(text=f"The peak is {plan.peak_words}.")


def _breakdown(plan: Plan) -> Bars:
    parts = plan.footprint.by_category.items()
    return Bars(
        title="Allocated at the peak",
        items=tuple((category.value, size) for category, size in parts),
        show=_size,
        unit="memory",
    )


def _size(count: int) -> str:
    """GiB, so that a column reads downwards; what would show as nothing in its own unit."""
    text = format_gib(count)
    return format_bytes(count) if count and text == format_gib(0) else text


def _resting(plan: Plan) -> Table:
    peaks = plan.footprint.phase_peaks
    return Table(
        title="Allocated, phase by phase",
        columns=(
            Column(name="phase", title="phase", keep=True),
            Column(name="peak_bytes", title="peak", show=format_gib, right=True, keep=True),
            Column(name="resting_bytes", title="after it", show=format_gib, right=True, keep=True),
        ),
        rows=tuple((phase.value, peaks[phase], level) for phase, level in plan.footprint.resting.items()),
    )


def _fits(plan: Plan) -> Table:
    best = plan.smallest_fit
    at = None if best is None else plan.fits.index(best)
    brief = _brief(plan.fits, at)
    return Table(
        title="Where it fits",
        columns=(
            Column(name="gpu", title="GPU", keep=True),
            Column(name="memory_bytes", title="memory", show=format_gib, right=True, keep=True),
            Column(name="headroom_bytes", title="headroom", show=format_gib, right=True, keep=True),
            Column(name="verdict", title="verdict", keep=True),
            Column(name="remark", title="remark"),
        ),
        rows=tuple((f.gpu, f.memory_bytes, f.headroom_bytes, f.verdict, _remark(f)) for f in plan.fits),
        best=at,
        brief=brief if len(brief) < len(plan.fits) else None,
        caption="headroom = memory - context - reserved; where it does not fit, what a run without limit reserves",
    )


def _brief(fits: tuple[Fit, ...], best: int | None) -> tuple[int, ...]:
    """The GPUs around the best one: some just below, then steps upwards."""
    if best is None:
        return tuple(range(max(0, len(fits) - SMALLER_SHOWN - 1), len(fits)))
    small = [index for index in range(best) if not fits[index].fits]
    reserved = [index for index in range(best) if fits[index].fits]
    shown = sorted([*small[-SMALLER_SHOWN:], *reserved[-SMALLER_SHOWN:], best])
    for index in range(best + 1, len(fits)):
        if (
            not fits[index].nominal
            and fits[index].memory_bytes >= STEP_BETWEEN_SHOWN * fits[shown[-1]].memory_bytes
        ):
            shown.append(index)
    return tuple(shown[: shown.index(best) + 1 + LARGER_SHOWN])


def _remark(fit: Fit) -> str:
    failure = fit.out_of_memory
    remarks = [
        "" if failure is None else failure.phase.value + (f", step {failure.step}" if failure.step else ""),
        "nominal memory" if fit.nominal else "",
        fit.note,
    ]
    return ", ".join(filter(None, remarks))


def _recipe(plan: Plan) -> Facts:
    defaults = Recipe().to_dict()
    said: dict[str, list[str]] = {"chosen": [], "default": []}
    for name, value in settings_in_use(plan.recipe).items():
        by = "default" if value == defaults[name] else "chosen"
        said[by].append(f"{name} {_value(name, value, plan)}")
    return Facts(title="Recipe", items=tuple((by, ", ".join(texts)) for by, texts in said.items() if texts))


def _value(name: str, value: object, plan: Plan) -> str:
    if name == "alpha" and value is None:
        return f"{2 * plan.recipe.r} (twice r)"
    if name == "load_dtype" and value is None:
        return plan.recipe.weight_dtype
    if name == "target_modules":
        said = "" if isinstance(value, list) else f"{value} "
        return f"{said}({', '.join(plan.targets)})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return as_text(value)


def _flat(plan: Plan) -> Table:
    """Everything with a number, in rows that say what they belong to."""
    return Table(
        columns=tuple(
            Column(name=name, title=name)
            for name in ("section", "name", "bytes", "verdict", "headroom_bytes", "remark")
        ),
        rows=tuple(_flat_rows(plan)),
    )


def _flat_rows(plan: Plan) -> Iterator[tuple[object, ...]]:
    found, none = plan.footprint, (None, None, None)
    peaks = (
        ("allocated", found.peak_allocated_bytes),
        ("reserved", found.peak_reserved_bytes),
        ("device", plan.device_bytes),
    )
    yield from (("peak", name, size, *none) for name, size in peaks)
    yield from (("breakdown", category.value, size, *none) for category, size in found.by_category.items())
    yield from (("resting", phase.value, size, *none) for phase, size in found.resting.items())
    for fit in plan.fits:
        yield "fits", fit.gpu, fit.memory_bytes, fit.verdict, fit.headroom_bytes, _remark(fit)
