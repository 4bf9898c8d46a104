"""The rehearsal of a run for the very machine that measures it, or that measured it."""

from collections.abc import Callable
from typing import Any

from anatomy.hardware.context import context_for
from anatomy.profiling.machine import target_of
from anatomy.profiling.measurement import Machine
from anatomy.profiling.record import Prediction
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.recipe import Recipe


def predict(model: Any, recipe: Recipe, machine: Machine, component_of: Callable[[str], str]) -> Prediction:
    """Rehearse `recipe` on `model` (on meta; it is used up) for `machine`, wherever this runs.

    `component_of` maps a path of the bare model's modules to a component. Raises RecipeError, RehearsalError.
    """
    rehearsal = rehearse(model, recipe, component_of=component_of, target=target_of(machine))
    return Prediction(
        timeline=rehearsal.timeline,
        context_bytes=expected_context(machine),
        total_parameters=rehearsal.total_parameters,
        trainable_parameters=rehearsal.trainable_parameters,
        model_flops=rehearsal.flops.model,
        hardware_flops=rehearsal.flops.hardware,
        versions=rehearsal.versions,
        assumptions=rehearsal.assumptions,
        not_modelled=rehearsal.not_modelled,
    )


def expected_context(machine: Machine) -> int:
    """Assumed memory of the CUDA context and libraries on a machine, in bytes; 0 on the CPU."""
    if machine.capability is None:
        return 0
    major, minor = machine.capability
    return context_for(f"{major}.{minor}").bytes
