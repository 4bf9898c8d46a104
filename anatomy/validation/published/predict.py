"""One published run, rehearsed: every figure that its source printed, from one rehearsal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import AnatomyError, RehearsalError
from anatomy.hardware.catalog import Gpu, lookup
from anatomy.memory.timeline import Phase
from anatomy.validation.published.row import Row

if TYPE_CHECKING:
    from anatomy.memory.allocator import Replay
    from anatomy.memory.footprint import Footprint
    from anatomy.planning.fit import Fit
    from anatomy.rehearsal.rehearse import Rehearsal


MOVE_THE_MODEL = ("TRL SFTTrainer", "transformers Trainer")
"""Trainers that move a model to the device once its adapters are there; a loop that loaded it there need not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What a rehearsal says about a run."""

    figures: Mapping[str, int]
    """Metric -> bytes, for the metrics that the run reached."""
    peak: str
    """Where the allocated peak is, in words."""
    failures: Mapping[str, str]
    """Metric -> why there is no number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    footprint: "Footprint"
    fit: "Fit"


def predict(row: Row) -> Prediction:
    """Rehearse a comparable row. Raises AnatomyError where the run is refused."""
    from anatomy.planning.plan import place
    from anatomy.planning.words import where

    assert row.recipe is not None, "only comparable rows are rehearsed"
    gpu = lookup(row.gpu)
    rehearsal = rehearse_row(row, gpu)
    found, (fit,) = place(replay_row(row, rehearsal), (gpu,), row.recipe)
    figures, failures = {}, {}
    for metric in (figure.metric for figure in row.measured):
        try:
            figures[metric] = _METRICS[metric](_Outcome(footprint=found, fit=fit))
        except AnatomyError as error:
            failures[metric] = error.message
    instant = found.instant
    return Prediction(
        figures=figures,
        failures=failures,
        peak=where(instant.phase, instant.step, instant.module, instant.op) if instant else "nowhere",
    )


def rehearse_row(row: Row, gpu: Gpu) -> "Rehearsal":
    """The run's steps, rehearsed with the kernels of `gpu` and the installed versions, older ones as well."""
    from anatomy.older import adapt, switch_to_flash

    adapt()
    from anatomy.architecture.skeleton import build_skeleton
    from anatomy.architecture.tree import module_components
    from anatomy.rehearsal.cuda import Target
    from anatomy.rehearsal.kernels.bitsandbytes_cuda import import_quietly
    from anatomy.rehearsal.rehearse import rehearse_cast
    from anatomy.rehearsal.trainer_cast import TrainerCast

    assert row.recipe is not None
    skeleton = build_skeleton(blueprint_of(row), dtype=row.recipe.weight_dtype, attn=row.recipe.attn)
    if row.recipe.attn == "flash_attention_2":
        switch_to_flash(skeleton.model)
    components = module_components(skeleton.model, skeleton.config)
    major, minor = gpu.compute_capability.split(".")
    if row.recipe.uses_adapters:
        import_quietly()
    return rehearse_cast(
        TrainerCast(
            skeleton.model, row.recipe, "meta", casts_back=row.casts_back, moves=row.trainer in MOVE_THE_MODEL
        ),
        component_of=lambda path: components.get(path, ""),
        target=Target(capability=(int(major), int(minor)), multiprocessors=gpu.multiprocessors),
    )


def replay_row(row: Row, rehearsal: "Rehearsal") -> "Replay":
    """The steps through the allocator: steady, or with the cache emptied before the last of them."""
    from anatomy.memory.allocator import replay
    from anatomy.planning.plan import steady_state

    if row.empties_cache:
        return replay(rehearsal.timeline, empty_cache_before_step=2)
    return steady_state(rehearsal.timeline)[0]


def blueprint_of(row: Row) -> Blueprint:
    """The model's description: the row's own, else the catalog's."""
    from anatomy.source import load

    overrides = {"architectures": [row.architecture]} if row.architecture else {}
    if row.config is None:
        return load(row.model, overrides=overrides, headers=False)
    origin = Origin(kind="catalog", location=row.model)
    return Blueprint(id=row.model, origin=origin, config={**row.config, **overrides})


def _on_device(outcome: _Outcome) -> int:
    fit = outcome.fit
    if not fit.fits:
        raise RehearsalError(f"the replay runs out of memory on the {fit.gpu}")
    return fit.reserved_bytes + fit.context_bytes


_METRICS: Mapping[str, Callable[[_Outcome], int]] = {
    "peak allocated": lambda o: o.footprint.peak_allocated_bytes,
    "peak reserved": lambda o: o.footprint.peak_reserved_bytes,
    "peak device": _on_device,
    "resting": lambda o: o.footprint.resting[Phase.ZERO_GRAD],
    "resting with gradients": lambda o: o.footprint.resting[Phase.OPTIMIZER],
}
