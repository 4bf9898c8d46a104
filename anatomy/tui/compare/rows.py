"""Pinned plans side by side: whole numbers, row by row. Parts add up to the totals in every column."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from anatomy.documents.signed import signed_bytes, signed_count
from anatomy.memory.timeline import Category, Phase
from anatomy.planning.fit import Fit
from anatomy.planning.plan import Plan
from anatomy.planning.settings import complete, settings_in_use
from anatomy.tui.recipe.fields import all_fields
from anatomy.tui.recipe.values import text_of
from anatomy.units import bytes_column, format_count

Kind = Literal["text", "bytes", "count"]
Section = Literal["recipe", "peak", "phases", "model", "fit"]
NOT_THERE = "–"
"""What stands for a value that a run does not have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """A plan that was kept to be compared."""

    name: str
    plan: Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedRow:
    """One thing, of every pinned plan."""

    section: Section
    label: str
    kind: Kind
    values: tuple[Any, ...]
    """Bytes, counts or texts, one for each pin; None where a run has no such thing."""
    base: int = 0
    """The pin that the others are held against."""
    is_part: bool = False
    """Whether it is a part of the next row that is none."""

    @property
    def differences(self) -> tuple[int | None, ...]:
        """Each number less the base's, exactly; None where there is nothing to subtract, and for the base itself."""
        base = self.values[self.base] if self.values else None
        if self.kind == "text" or base is None:
            return (None,) * len(self.values)
        return tuple(
            None if value is None or at == self.base else value - base for at, value in enumerate(self.values)
        )

    @property
    def least(self) -> frozenset[int]:
        """The pins that need the least memory, where not all need the same."""
        known = [value for value in self.values if value is not None]
        if self.section not in ("peak", "phases") or len(set(known)) < 2:
            return frozenset()
        return frozenset(at for at, value in enumerate(self.values) if value == min(known))

    def texts(self) -> tuple[str, ...]:
        """The values as people read them, each with its signed difference."""
        show, sign = _SHOWN[self.kind](self)
        return tuple(
            NOT_THERE
            if value is None
            else show(value) + ("" if difference is None else f" ({sign(difference)})")
            for value, difference in zip(self.values, self.differences, strict=True)
        )


def comparison_rows(pins: Sequence[Pin], *, base: int = 0, gpu: str | None = None) -> tuple[ComparedRow, ...]:
    """What pinned plans have in common and in what they differ; `gpu`: the one whose verdict is asked for, if any.

    The parts of the peak add up to what is allocated; with the allocator's cache, to what is reserved; with the
    context, to what is on the device.
    """
    plans = [pin.plan for pin in pins]
    if not plans:
        return ()
    return tuple(
        ComparedRow(section=section, label=label, kind=kind, values=values, base=base, is_part=is_part)
        for section, label, kind, values, is_part in (
            *_recipe(plans),
            *_peak(plans),
            *_phases(plans),
            *_model(plans),
            *_fit(plans, gpu),
        )
    )


_Line = tuple[Section, str, Kind, tuple[Any, ...], bool]


def _recipe(plans: Sequence[Plan]) -> Iterator[_Line]:
    """The method, and every other setting in which the runs differ."""
    used = [settings_in_use(complete(plan.recipe)) for plan in plans]
    if any(plan.model.id != plans[0].model.id for plan in plans):
        yield "recipe", "model", "text", tuple(plan.model.id for plan in plans), False
    yield "recipe", "method", "text", tuple(settings["method"] for settings in used), False
    for name in plans[0].recipe.to_dict():
        values = [settings.get(name) for settings in used]
        if name != "method" and any(value != values[0] for value in values):
            yield "recipe", name, "text", tuple(map(_said, [name] * len(plans), plans, used)), False


def _said(name: str, plan: Plan, used: Mapping[str, Any]) -> str | None:
    if name not in used:
        return None
    return text_of(_FIELDS[name], getattr(plan.recipe, name), plan.recipe, plan.targets)


_FIELDS = {field.name: field for field in all_fields()}


def _peak(plans: Sequence[Plan]) -> Iterator[_Line]:
    found = [plan.footprint for plan in plans]
    parts = [footprint.by_category for footprint in found]
    for category in Category:
        if any(category in by for by in parts):
            yield "peak", category.value, "bytes", tuple(by.get(category, 0) for by in parts), True
    yield "peak", "peak allocated", "bytes", tuple(f.peak_allocated_bytes for f in found), False
    yield "peak", "cache beside it", "bytes", tuple(f.unused_reserve_bytes for f in found), True
    yield "peak", "peak reserved", "bytes", tuple(f.peak_reserved_bytes for f in found), False
    yield "peak", "CUDA context", "bytes", tuple(plan.context_bytes for plan in plans), True
    yield "peak", "on the device", "bytes", tuple(plan.device_bytes for plan in plans), False


def _phases(plans: Sequence[Plan]) -> Iterator[_Line]:
    resting = [plan.footprint.resting for plan in plans]
    for phase in Phase:
        if any(phase in levels for levels in resting):
            yield "phases", f"after {phase.value}", "bytes", tuple(by.get(phase) for by in resting), False


def _model(plans: Sequence[Plan]) -> Iterator[_Line]:
    yield "model", "trainable", "count", tuple(plan.trainable_parameters for plan in plans), False
    yield "model", "parameters", "count", tuple(plan.total_parameters for plan in plans), False


def _fit(plans: Sequence[Plan], gpu: str | None) -> Iterator[_Line]:
    """The verdict on one GPU, where one is asked for and was planned; and the smallest one that will do."""
    if gpu is not None:
        fits = [next((fit for fit in plan.fits if fit.gpu == gpu), None) for plan in plans]
        yield "fit", gpu, "text", tuple(None if fit is None else fit.verdict for fit in fits), False
        yield "fit", "headroom", "bytes", tuple(_headroom(fit) for fit in fits), False
    yield "fit", "smallest GPU", "text", tuple(map(_smallest, plans)), False


def _headroom(fit: Fit | None) -> int | None:
    return None if fit is None else fit.headroom_bytes


def _smallest(plan: Plan) -> str | None:
    """None where one GPU alone was asked about."""
    if len(plan.fits) < 2:
        return None
    return "none" if plan.smallest_fit is None else plan.smallest_fit.gpu


_Show = Callable[[Any], str]


def _bytes(row: ComparedRow) -> tuple[_Show, _Show]:
    return bytes_column(row.values), signed_bytes(row.differences)


def _count(row: ComparedRow) -> tuple[_Show, _Show]:
    return format_count, signed_count


def _text(row: ComparedRow) -> tuple[_Show, _Show]:
    return str, str


_SHOWN: Mapping[Kind, Callable[[ComparedRow], tuple[_Show, _Show]]] = {
    "bytes": _bytes,
    "count": _count,
    "text": _text,
}
