"""Comparison: many runs of one model side by side, the smallest peak first."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from anatomy.errors import AnatomyError
from anatomy.memory.footprint import Footprint
from anatomy.memory.timeline import Category
from anatomy.planning.axes import AXES, Axes
from anatomy.planning.fit import Fit
from anatomy.planning.plan import ModelName
from anatomy.planning.settings import complete, settings_in_use
from anatomy.planning.words import where
from anatomy.result import Result
from anatomy.training.recipe import Recipe
from anatomy.units import format_bytes

SCHEMA_VERSION = 1
"""Of `compare --json`. Keys may be added without changing it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One run: what it needs, or why it cannot be run."""

    varied: Mapping[str, str]
    """The axes' settings; no `quant_type` where the base is not quantized."""
    recipe: Recipe | None = None
    """Complete; None where it cannot be run."""
    total_parameters: int | None = None
    """Parameters of the model with its adapters, tied ones once."""
    trainable_parameters: int | None = None
    """Parameters that get gradients."""
    footprint: Footprint | None = None
    """Of the steady state without a limit; None where it cannot be run."""
    context_bytes: int = 0
    """Assumed memory of the CUDA context and libraries."""
    fit: Fit | None = None
    """On the GPU that was asked for, else on the smallest that will do; None where there is none."""
    reason: str = ""
    """Why it cannot be run, or ''."""

    def __repr__(self) -> str:
        peak = (
            ""
            if self.footprint is None
            else f", peak {format_bytes(self.footprint.peak_allocated_bytes)} allocated"
        )
        return f"<Row {self.label!r}: {self.verdict}{peak}>"

    @property
    def device_bytes(self) -> int | None:
        """What nvidia-smi will show at most: reserved, and the context."""
        return None if self.footprint is None else self.footprint.device_bytes(self.context_bytes)

    @property
    def fits(self) -> bool:
        """True when it can be run on the GPU asked for, else on any of the catalog."""
        return self.fit is not None and self.fit.fits

    @property
    def label(self) -> str:
        """'lora, adafactor, bf16'."""
        names = ("method", "quant_type", "optimizer", "precision")
        return ", ".join(self.varied[name] for name in names if name in self.varied)

    def to_record(self) -> dict[str, Any]:
        """The row as names and values: integers of bytes, None for what is not there."""
        found, fit = self.footprint, self.fit
        instant = None if found is None else found.instant
        words = None if instant is None else where(instant.phase, instant.step, instant.module, instant.op)
        parts = {} if found is None else found.by_category
        return {
            **{name: self.varied.get(name) for name in NAMES},
            "trainable_parameters": self.trainable_parameters,
            "total_parameters": self.total_parameters,
            "allocated_bytes": None if found is None else found.peak_allocated_bytes,
            "reserved_bytes": None if found is None else found.peak_reserved_bytes,
            "device_bytes": self.device_bytes,
            "phase": None if instant is None else instant.phase.value,
            "where": words,
            "gpu": None if fit is None else fit.gpu,
            "memory_bytes": None if fit is None else fit.memory_bytes,
            "verdict": self.verdict,
            "headroom_bytes": None if fit is None else fit.headroom_bytes,
            **{
                f"{category.value.replace(' ', '_')}_bytes": None if found is None else parts.get(category, 0)
                for category in Category
            },
            "reason": self.reason or None,
        }

    @property
    def verdict(self) -> str:
        """Whether it fits, or 'refused'."""
        if self.footprint is None:
            return "refused"
        return "does not fit" if self.fit is None else self.fit.verdict


NAMES = ("method", "quant_type", "optimizer", "precision", "gradient_checkpointing")
"""The axes in the order in which a row is read."""


def refused(varied: Mapping[str, str], optimizer: str, error: AnatomyError) -> Row:
    """The row of a run that cannot be."""
    return Row(varied={**varied, "optimizer": optimizer}, reason=error.message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsals:
    """How often the training step was rehearsed, and what of it."""

    runs: int = 0
    """Forward and backward, with no optimizer."""
    optimizers: int = 0
    """An optimizer alone, on one set of parameters and gradients."""
    whole: int = 0
    """Both at once, because they are not separable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison(Result):
    """Runs of one model, side by side."""

    model: ModelName
    """Which model the runs are of."""
    axes: Axes
    """What is varied, each setting with its values."""
    gpu: str | None
    """The GPU that was asked for; None for all of the catalog."""
    device: str
    """The GPU whose kernels and context are assumed."""
    rows: tuple[Row, ...]
    """The smallest allocated peak first; what cannot be run last, as it was asked for."""
    rehearsals: Rehearsals
    """How many rehearsals it took."""
    assumptions: tuple[str, ...] = ()
    """What the numbers rest on that nobody said: a sentence each."""
    not_modelled: tuple[str, ...] = ()
    """What a real run can need beyond the numbers: a sentence each."""
    warnings: tuple[str, ...] = ()
    """What the user should look at before trusting the runs."""
    notes: tuple[str, ...] = ()
    """How the model's description was found and built."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Installed versions of the libraries that were rehearsed."""

    def __repr__(self) -> str:
        where = self.gpu or "a GPU of the catalog"
        return (
            f"<Comparison of {len(self.rows)} runs of {self.model.id!r}: {len(self.fitting)} fit on {where}>"
        )

    @property
    def ran(self) -> tuple[Row, ...]:
        """The rows that can be run."""
        return tuple(row for row in self.rows if row.footprint is not None)

    @property
    def fitting(self) -> tuple[Row, ...]:
        """The rows that fit: on the GPU asked for, else on any of the catalog."""
        return tuple(row for row in self.rows if row.fits)

    def spans(self) -> Iterator[tuple[str, tuple[Row, ...]]]:
        """Each method with its runs, the smallest peak first; the method with the smallest one first."""
        by_method: dict[str, list[Row]] = {}
        for row in self.ran:
            by_method.setdefault(row.varied["method"], []).append(row)
        yield from ((method, tuple(rows)) for method, rows in by_method.items())

    def settings(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """What is not varied: settings with one value in every run that they mean something for; others by method."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.ran:
            assert row.recipe is not None, "what ran has a recipe"
            for name, value in settings_in_use(complete(row.recipe)).items():
                if name not in AXES:
                    found.setdefault(name, {})[row.varied["method"]] = value
        one = {name: next(iter(by.values())) for name, by in found.items() if _alike(by.values())}
        return one, {name: by for name, by in found.items() if name not in one}

    def refusals(self) -> dict[str, list[Row]]:
        """Each reason with the rows that it keeps from running."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.reason:
                found.setdefault(row.reason, []).append(row)
        return found

    def to_records(self) -> list[dict[str, Any]]:
        """Every row as names and values."""
        return [row.to_record() for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """The content of `compare --json`."""
        counts = self.rehearsals
        return {
            "schema_version": SCHEMA_VERSION,
            "model": self.model.to_dict(),
            "recipe": self.settings()[0],
            "recipe_by_method": self.settings()[1],
            "varied": {name: list(values) for name, values in self.axes.values.items()},
            "gpu": self.gpu,
            "device": self.device,
            "rehearsals": {"runs": counts.runs, "optimizers": counts.optimizers, "whole": counts.whole},
            "assumptions": list(self.assumptions),
            "not_modelled": list(self.not_modelled),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "versions": dict(self.versions),
            "rows": self.to_records(),
        }


def smallest_first(rows: list[Row]) -> tuple[Row, ...]:
    """By the allocated peak, then by what is on the device; what cannot be run last."""
    return tuple(sorted(rows, key=_size))


def _alike(values: Iterable[Any]) -> bool:
    first, *others = values
    return all(value == first for value in others)


def _size(row: Row) -> tuple[bool, int, int]:
    found = row.footprint
    if found is None:
        return True, 0, 0
    return False, found.peak_allocated_bytes, found.peak_reserved_bytes
