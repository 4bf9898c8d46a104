"""Plan: what a run needs, where its peak is, and where it fits. Everything that `anatomy plan` answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anatomy.errors import RehearsalError
from anatomy.hardware.catalog import Gpu
from anatomy.memory.allocator import Replay, replay
from anatomy.memory.footprint import Footprint, footprint
from anatomy.memory.timeline import Timeline
from anatomy.planning.fit import Fit, fit_all, smallest
from anatomy.planning.modules import ModuleShare, Owned, module_shares
from anatomy.planning.reading import Reading
from anatomy.planning.settings import complete
from anatomy.planning.words import where
from anatomy.result import Result
from anatomy.training.recipe import Recipe
from anatomy.units import format_bytes

SCHEMA_VERSION = 1
"""Of `plan --json`. Keys may be added without changing it."""
FURTHER_STEPS = 2
"""Steps replayed after the recorded ones, so that fragmentation which builds up over steps is seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelName:
    """Which model a plan is about."""

    id: str
    """What the user calls it."""
    origin: str
    """Where its description was read."""
    model_type: str | None
    """The config's model type."""
    architecture: str
    """The class that was built."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """The facts of its config that the user set by hand."""

    def to_dict(self) -> dict[str, Any]:
        """`model` of `plan --json`."""
        return {
            "id": self.id,
            "origin": self.origin,
            "model_type": self.model_type,
            "architecture": self.architecture,
            "overrides": dict(self.overrides),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan(Result):
    """One run, planned."""

    model: ModelName
    """Which model it is of."""
    recipe: Recipe
    """Complete: what was asked, and defaults for the rest."""
    adapted: Mapping[str, str] = field(default_factory=dict)
    """Settings that nobody chose and whose defaults this model cannot run -> why they have the value they have."""
    config: Reading | None = None
    """The trainer's file that the recipe came from, flags aside."""
    total_parameters: int
    """Parameters of the model with its adapters, tied ones once."""
    trainable_parameters: int
    """Parameters that get gradients."""
    targets: tuple[str, ...]
    """Last names of the modules that got adapters; empty without any."""
    replay: Replay = field(repr=False)
    """The steady state on a device without a limit, entry by entry."""
    footprint: Footprint
    """Of `replay`."""
    device: str
    """The GPU that `context_bytes` is of, by name: the one asked for, else the one rehearsed."""
    context_bytes: int
    """Assumed memory of that GPU's context and libraries."""
    fits: tuple[Fit, ...]
    """Each GPU considered, the smallest memory first."""
    assumptions: tuple[str, ...]
    """What the numbers rest on that nobody said: a sentence each."""
    not_modelled: tuple[str, ...]
    """What a real run can need beyond the numbers: a sentence each."""
    warnings: tuple[str, ...] = ()
    """What the user should look at before trusting the run, not the numbers."""
    notes: tuple[str, ...] = ()
    """How the model's description was found and built."""
    versions: Mapping[str, str]
    """Installed versions of the libraries that were rehearsed."""
    owned: Owned | None = field(default=None, repr=False)
    """What is known of the modules that ran."""

    def __repr__(self) -> str:
        best = self.smallest_fit
        fits = "does not fit" if best is None else f"fits on {best.gpu}"
        peak, device = self.footprint.peak_allocated_bytes, self.device_bytes
        return (
            f"<Plan of {self.model.id!r}, {self.recipe.method}: peak {format_bytes(peak)} allocated, "
            f"{format_bytes(device)} on the device; {fits}>"
        )

    @property
    def modules(self) -> dict[str, ModuleShare]:
        """Each module's own part of the allocated peak, of the computing and of the parameters, by path; '' for what
        no module owns."""
        if self.owned is None:
            return {}
        instant = self.footprint.instant
        return module_shares(self.replay, instant.index if instant else None, self.owned)

    @property
    def device_bytes(self) -> int:
        """What nvidia-smi will show at most: reserved, and the context."""
        return self.footprint.device_bytes(self.context_bytes)

    @property
    def smallest_fit(self) -> Fit | None:
        """The GPU with the least memory on which the run fits: without reservations, else without freeing cache."""
        return smallest(self.fits)

    @property
    def peak_words(self) -> str:
        """Where the allocated peak is, as the end of a sentence: 'in backward of step 2, in lm_head (aten.mm)'."""
        instant = self.footprint.instant
        return where(instant.phase, instant.step, instant.module, instant.op) if instant else "nowhere"

    def to_dict(self) -> dict[str, Any]:
        """The content of `plan --json`: integers of bytes, nothing rounded."""
        return {
            "schema_version": SCHEMA_VERSION,
            "model": self.model.to_dict(),
            "recipe": complete(self.recipe).to_dict(),
            "adapted": dict(self.adapted),
            "config": None if self.config is None else self.config.to_dict(self.recipe, self.adapted),
            "parameters": {"total": self.total_parameters, "trainable": self.trainable_parameters},
            "targets": list(self.targets),
            "peak": self._peak(),
            "resting": {phase.value: level for phase, level in self.footprint.resting.items()},
            "phase_peaks": {phase.value: level for phase, level in self.footprint.phase_peaks.items()},
            "breakdown": [
                {"category": category.value, "bytes": size}
                for category, size in self.footprint.by_category.items()
            ],
            "breakdown_by_component": [
                {"category": category.value, "component": component, "bytes": size}
                for (category, component), size in self.footprint.by_category_and_component.items()
            ],
            "fits": [fit.to_dict() for fit in self.fits],
            "assumptions": list(self.assumptions),
            "not_modelled": list(self.not_modelled),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "versions": dict(self.versions),
        }

    def _peak(self) -> dict[str, Any]:
        found, instant = self.footprint, self.footprint.instant
        return {
            "allocated_bytes": found.peak_allocated_bytes,
            "reserved_bytes": found.peak_reserved_bytes,
            "device_bytes": self.device_bytes,
            "context_bytes": self.context_bytes,
            "device": self.device,
            "step": instant.step if instant else None,
            "phase": instant.phase.value if instant else None,
            "module": instant.module if instant else None,
            "op": instant.op if instant else None,
            "in_words": self.peak_words,
        }


def steady_state(timeline: Timeline) -> tuple[Replay, tuple[str, ...]]:
    """The timeline replayed without a limit, with its last step repeated where it can be; and what to note."""
    try:
        return replay(timeline, repeat_last_step=FURTHER_STEPS), ()
    except RehearsalError as error:
        return replay(timeline), (f"only the recorded steps are replayed: {error.message}",)


def place(
    unlimited: Replay, gpus: Iterable[Gpu], recipe: Recipe, rehearsed_on: str | None = None
) -> tuple[Footprint, tuple[Fit, ...]]:
    """The footprint of a run and its fits; `rehearsed_on` as for `fit_all`."""
    timeline = unlimited.timeline
    bf16 = "bf16" in recipe.precision
    fits = fit_all(timeline, unlimited, gpus, bf16=bf16, rehearsed_on=rehearsed_on)
    return footprint(timeline, unlimited), fits
