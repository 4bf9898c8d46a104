"""What `anatomy plan` says: the answer first, then why, then what it rests on."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from anatomy.documents.charts_of import timeline_of
from anatomy.documents.document import (
    Bars,
    Block,
    Column,
    Document,
    Facts,
    Notes,
    Sentence,
    Table,
    as_json,
    as_text,
    named,
)
from anatomy.documents.plan.config import config_facts
from anatomy.documents.plan.table import FREEING, flat_table, remark
from anatomy.documents.profile.boundary import SMALLER_SHOWN, around
from anatomy.planning.fit import Fit
from anatomy.planning.plan import Plan
from anatomy.planning.settings import complete, defaults_beside, settings_in_use
from anatomy.planning.words import where
from anatomy.training.recipe import Recipe
from anatomy.units import bytes_column, format_bytes, format_count, format_share

HEADROOM = "headroom = memory - context - reserved; where it does not fit, what a run without limit reserves"
OTHERS = "may fit: its kernels differ from the rehearsed ones and can need more; --gpu NAME rehearses its own"
FREED = "to fit after freeing cache, torch gives cached blocks back to the device on the way: slower, and without a margin"


def plan_document(plan: Plan) -> Document:
    """The report on a planned run."""
    blocks: list[Block] = [answer_sentence(plan), peak_facts(plan), where_sentence(plan)]
    if plan.warnings:
        blocks.append(Notes(title="Warnings", items=plan.warnings, tone="caution"))
    blocks += [breakdown_bars(plan), _fits(plan), _resting(plan), _recipe(plan)]
    if plan.config is not None:
        blocks.append(config_facts(plan.config, plan.recipe, plan.adapted))
    if plan.notes:
        blocks.append(Notes(title="About the model", items=plan.notes))
    blocks += [
        Notes(title="Assumed", items=plan.assumptions),
        Notes(title="Not modelled", items=plan.not_modelled),
        Sentence(text=f"{plan.model.architecture}, read from {plan.model.origin}."),
        Sentence(text="Rehearsed with " + ", ".join(f"{k} {v}" for k, v in plan.versions.items()) + "."),
    ]
    return Document(
        title=f"{named(plan.model.id, plan.model.overrides)}: {run_line(plan.recipe)}",
        blocks=tuple(blocks),
        table=flat_table(plan),
        data=plan.to_dict(),
    )


def with_timeline(document: Document, plan: Plan) -> Document:
    """The same with the step of the peak as a picture, after where the peak is."""
    chart = timeline_of(plan)
    if chart is None:
        return document
    step = chart.sampled.spans[0].mark.step
    when = f"in step {step}" if step else "while the model is loaded"
    titled = replace(chart, title=f"Allocated {when}, event by event (not in time)")
    at = 1 + document.blocks.index(where_sentence(plan))
    return replace(document, blocks=(*document.blocks[:at], titled, *document.blocks[at:]))


def run_line(recipe: Recipe) -> str:
    """'qlora r 64, bf16, 1 × 2,048 tokens': the run in a line."""
    rank = f" r {recipe.r}" if "r" in settings_in_use(recipe) else ""
    kind = f" {recipe.peft_type}" if recipe.peft_type else ""
    return (
        f"{recipe.method}{kind}{rank}, {recipe.precision}, {recipe.batch_size:,} × {recipe.seq_len:,} tokens"
    )


def answer_sentence(plan: Plan) -> Sentence:
    """Whether it fits: on the GPU planned for, else the smallest that will do."""
    if len(plan.fits) == 1:
        return _answer_for(plan.fits[0])
    best = plan.smallest_fit
    if best is None:
        return Sentence(
            text=f"Does not fit on any single GPU of the table (the largest: {plan.fits[-1].gpu}).",
            tone="bad",
        )
    reserved = [fit for fit in plan.fits[: plan.fits.index(best)] if fit.fits][:SMALLER_SHOWN]
    named_ones = "; ".join(f"{fit.gpu}: {remark(fit)}" for fit in reserved)
    without = f" without reservations ({named_ones})" if reserved else ""
    return Sentence(
        text=f"{_fitting(best)}: the smallest GPU that will do{without}.",
        tone="caution" if best.tight else "good",
    )


def _answer_for(fit: Fit) -> Sentence:
    if fit.out_of_memory is None:
        return Sentence(text=f"{_fitting(fit)}.", tone="caution" if fit.tight else "good")
    failure = fit.out_of_memory
    place = where(failure.phase, failure.step, failure.module, failure.op)
    return Sentence(
        text=f"Does not fit on {fit.gpu} ({format_bytes(fit.memory_bytes)}): out of memory {place}.",
        tone="bad",
    )


def _fitting(fit: Fit) -> str:
    """'Fits on A16 (15.00 GiB) with 2.57 GiB to spare', where there is something to spare."""
    room = (
        f"only by {FREEING}"
        if fit.headroom_bytes is None
        else f"with {format_bytes(fit.headroom_bytes)} to spare"
    )
    return f"Fits on {fit.gpu} ({format_bytes(fit.memory_bytes)}) {room}"


def peak_facts(plan: Plan) -> Facts:
    """The three figures that are called VRAM, each by its name, and what is trained."""
    found = plan.footprint
    trainable = format_share(plan.trainable_parameters, plan.total_parameters)
    return Facts(
        items=(
            ("peak allocated", f"{format_bytes(found.peak_allocated_bytes)}  blocks in use"),
            (
                "peak reserved",
                f"{format_bytes(found.peak_reserved_bytes)}  held by torch's caching allocator",
            ),
            (
                "on the device",
                f"{format_bytes(plan.device_bytes)}  reserved + {format_bytes(plan.context_bytes)} CUDA context "
                f"({plan.device})",
            ),
            (
                "trainable",
                f"{format_count(plan.trainable_parameters)} of {format_count(plan.total_parameters)} parameters "
                f"({trainable})",
            ),
        )
    )


def where_sentence(plan: Plan) -> Sentence:
    """When and in which module the allocated peak is."""
    return Sentence(text=f"The peak is {plan.peak_words}.")


def breakdown_bars(plan: Plan) -> Bars:
    """What is in use at the peak, by category."""
    parts = plan.footprint.by_category.items()
    return Bars(
        title="Allocated at the peak",
        items=tuple((category.value, size) for category, size in parts),
        show=bytes_column([plan.footprint.peak_allocated_bytes]),
        unit="memory",
    )


def _resting(plan: Plan) -> Table:
    peaks = plan.footprint.phase_peaks
    show = bytes_column(peaks.values())
    return Table(
        title="Allocated, phase by phase",
        columns=(
            Column(name="phase", title="phase", keep=True),
            Column(name="peak_bytes", title="peak", show=show, right=True, keep=True),
            Column(name="resting_bytes", title="after it", show=show, right=True, keep=True),
        ),
        rows=tuple((phase.value, peaks[phase], level) for phase, level in plan.footprint.resting.items()),
    )


def _fits(plan: Plan) -> Table:
    best = plan.smallest_fit
    at = None if best is None else plan.fits.index(best)
    brief = around(plan.fits, at)
    show = bytes_column([fit.memory_bytes for fit in plan.fits])
    return Table(
        title="Where it fits",
        columns=(
            Column(name="gpu", title="GPU", keep=True),
            Column(name="memory_bytes", title="memory", show=show, right=True, keep=True),
            Column(name="headroom_bytes", title="headroom", show=show, right=True, keep=True),
            Column(name="verdict", title="verdict", keep=True),
            Column(name="remark", title="remark"),
        ),
        rows=tuple((f.gpu, f.memory_bytes, f.headroom_bytes, f.verdict, remark(f)) for f in plan.fits),
        best=at,
        brief=brief if len(brief) < len(plan.fits) else None,
        caption="; ".join(_footnotes(plan)),
    )


def _recipe(plan: Plan) -> Facts:
    defaults = defaults_beside(plan.recipe)
    changed = [f"{key}={as_json(value)}" for key, value in plan.model.overrides.items()]
    own, others = _of_a_file(plan)
    said: dict[str, list[str]] = {"chosen": changed, "file": [], "trainer": [], "adapted": [], "default": []}
    for name, value in settings_in_use(complete(plan.recipe)).items():
        by = "default" if value == defaults[name] else "chosen"
        by = next(
            (
                who
                for who, names in (("adapted", plan.adapted), ("file", own), ("trainer", others))
                if name in names
            ),
            by,
        )
        why = f", {plan.adapted[name]}" if name in plan.adapted else ""
        said[by].append(f"{name} {setting_text(name, value, plan.recipe, plan.targets)}{why}")
    titles = {} if plan.config is None else {"trainer": f"{plan.config.name}'s"}
    return Facts(
        title="Recipe",
        items=tuple((titles.get(by, by), ", ".join(texts)) for by, texts in said.items() if texts),
    )


def _of_a_file(plan: Plan) -> tuple[set[str], set[str]]:
    """Settings that a trainer's file said, and that the trainer's own defaults made, unless a flag changed them."""
    if plan.config is None:
        return set(), set()
    read, ran = plan.config.recipe.to_dict(), plan.recipe.to_dict()
    kept = {name for name, value in read.items() if value == ran[name]}
    return kept & plan.config.given.keys(), kept & plan.config.defaults.keys()


def _footnotes(plan: Plan) -> Iterator[str]:
    yield HEADROOM
    if any(fit.tight for fit in plan.fits):
        yield FREED
    if any(fit.verdict == "may fit" for fit in plan.fits):
        yield OTHERS


def setting_text(name: str, value: object, recipe: Recipe, targets: Collection[str] = ()) -> str:
    """A setting's value as people read it. `targets`: names of the modules that got adapters, where they are known."""
    if name == "alpha" and value == 2 * recipe.r:
        return f"{value} (twice r)"
    if name == "load_dtype" and value is None:
        return recipe.weight_dtype
    if name == "target_modules" and targets:
        said = "" if isinstance(value, list) else f"{value} "
        return f"{said}({', '.join(targets)})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return as_text(value)
