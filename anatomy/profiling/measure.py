"""A run, measured: one pass for each kind of question, so that no answer disturbs another."""

import gc
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_args

from anatomy.garbage import without_garbage_collection
from anatomy.memory.allocator import replay, spans
from anatomy.memory.timeline import Mark, Phase, Timeline
from anatomy.planning.plan import ModelName
from anatomy.profiling import counters
from anatomy.profiling.counters import CudaCounters
from anatomy.profiling.failure import failure_of, is_out_of_memory
from anatomy.profiling.machine import target_of
from anatomy.profiling.measurement import (
    AllocatorTrace,
    Failure,
    Kernel,
    Machine,
    Measurement,
    PhaseReading,
    Timing,
)
from anatomy.profiling.observe import Observation
from anatomy.profiling.real import RealRun, set_up
from anatomy.profiling.timing import kernel_table, timed_steps
from anatomy.rehearsal.rehearse import STEPS, rehearse
from anatomy.training.recipe import Recipe
from anatomy.units import MIB, format_bytes

Pass = Literal["counters", "events", "timing", "kernels", "recorded"]
PASSES: tuple[Pass, ...] = get_args(Pass)
"""Counters of the allocator and driver (on a GPU); every block, through torch.profiler (always made); seconds of
steps; the kernel table; the recorder's own timeline on real tensors."""
NOTHING = 64 * MIB
"""What a driver keeps for itself on an idle GPU is below this."""
_OTHERS = "{} of the GPU were in use before this run: the driver's figures contain them"
_ONLY_LOADING = (Mark(at=0, phase=Phase.LOAD, step=0),)


@dataclass(kw_only=True)
class Subject:
    """What is measured, and with what."""

    build: Callable[[], Any]
    """Returns the model, its weights on the device; called once for each pass that starts anew."""
    recipe: Recipe
    component_of: Callable[[str], str]
    machine: Machine
    tell: Callable[[str], None]
    steps: int
    """Steps to time."""
    warmup: int
    """Steps before them."""
    used_before_bytes: int = 0
    """On a GPU: in use by the driver's account before this process touched it."""

    @property
    def device(self) -> str:
        """'cuda' or 'cpu'."""
        return self.machine.kind


@dataclass(kw_only=True)
class _Seen:
    """What the passes have found so far."""

    readings: tuple[PhaseReading, ...] = ()
    observed: Timeline | None = None
    host_bytes: int = 0
    trace: AllocatorTrace | None = None
    recorded: Timeline | None = None
    context_bytes: int | None = None
    peak_rss_bytes: int | None = None
    seconds: tuple[float, ...] = ()
    tokens: int = 0
    kernels: tuple[Kernel, ...] = ()
    failure: Failure | None = None
    notes: list[str] = field(default_factory=list)


def measure(
    subject: Subject,
    *,
    model: ModelName,
    weights: Literal["random", "real"],
    passes: Collection[Pass],
    model_flops: int,
    hardware_flops: int,
    peak_flops: float | None,
) -> Measurement:
    """Run the recipe for real and put together what the passes saw. Out of memory is an answer, not an error.

    Raises RecipeError where the recipe cannot be applied.
    """
    seen = _Seen()
    on_gpu = subject.machine.kind == "cuda"
    if on_gpu and "counters" in passes:
        _counting(subject, seen, passes)
        _clean(subject.device)
    _observing(subject, seen, () if on_gpu and "counters" in passes else passes)
    _clean(subject.device)
    if "recorded" in passes and seen.failure is None:
        _recording(subject, seen)
        _clean(subject.device)
    assert seen.observed is not None
    timing = Timing(
        step_seconds=seen.seconds,
        tokens_per_step=seen.tokens,
        model_flops=model_flops,
        hardware_flops=hardware_flops,
        peak_flops=peak_flops,
    )
    return Measurement(
        machine=subject.machine,
        model=model,
        recipe=subject.recipe,
        weights=weights,
        phases=seen.readings or _levels(seen.observed),
        observed=seen.observed,
        recorded=seen.recorded,
        host_bytes=seen.host_bytes,
        context_bytes=seen.context_bytes,
        peak_rss_bytes=seen.peak_rss_bytes,
        timing=timing if seen.seconds else None,
        kernels=seen.kernels,
        allocator_trace=seen.trace,
        failure=seen.failure,
        notes=tuple(seen.notes),
    )


def _counting(subject: Subject, seen: _Seen, passes: Collection[Pass]) -> None:
    """The GPU's own counters over the first steps, then whatever needs steps and no profiler."""
    counted = CudaCounters()
    real = None
    try:
        real = _ready(subject)
        with without_garbage_collection():
            for number in range(1, STEPS + 1):
                subject.tell(f"measuring step {number} of {STEPS}")
                real.step(partial(counted.enter, step=number))
        counted.close()
        _speed(subject, seen, real, passes)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        counted.close()
        step, phase = counted.running
        seen.failure = failure_of(error, step=step, phase=phase, path_of=_paths(real))
    seen.readings = tuple(counted.readings)
    seen.context_bytes = _context(counted.readings, subject.used_before_bytes)
    if subject.used_before_bytes > NOTHING:
        seen.notes.append(_OTHERS.format(format_bytes(subject.used_before_bytes)))


def _observing(subject: Subject, seen: _Seen, passes: Collection[Pass]) -> None:
    """Every block of the first steps; then, where nothing else did so before, the passes about speed."""
    counters.reset_peak_rss()
    real = observation = None
    try:
        real = _ready(subject)
        seen.tokens = real.tokens
        observation = Observation(real, subject.device)
        with without_garbage_collection():
            observation.run(STEPS, subject.tell)
        _speed(subject, seen, real, passes)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        step, phase = (0, Phase.LOAD) if observation is None else (observation.step, observation.phase)
        seen.failure = seen.failure or failure_of(error, step=step, phase=phase, path_of=_paths(real))
    if subject.device == "cpu":
        seen.peak_rss_bytes = counters.peak_rss()
    environment = {
        "kind": "measurement",
        "device": subject.device,
        "versions": dict(subject.machine.versions),
    }
    if observation is None:
        seen.observed = Timeline(blocks=(), trace=(), marks=_ONLY_LOADING, environment=environment)
    else:
        seen.observed, seen.host_bytes = observation.timeline(environment)
        seen.trace = observation.allocator_trace


def _recording(subject: Subject, seen: _Seen) -> None:
    """The recorder on real tensors: it changes the program that it watches, so this is no measurement."""
    if subject.recipe.quantized:
        seen.notes.append("the recorder does not run on real quantized layers")
        return
    subject.tell("recording the same steps with the rehearsal's recorder")
    try:
        seen.recorded = rehearse(
            subject.build(),
            subject.recipe,
            component_of=subject.component_of,
            target=target_of(subject.machine),
            device=subject.device,
        ).timeline
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        seen.notes.append("the recorder's own pass ran out of memory")


def _ready(subject: Subject) -> RealRun:
    subject.tell(f"making the model on {subject.machine.name}")
    model = subject.build()
    _clean(subject.device)
    return set_up(model, subject.recipe, subject.device, subject.component_of)


def _speed(subject: Subject, seen: _Seen, real: RealRun, passes: Collection[Pass]) -> None:
    seen.tokens = real.tokens
    if "timing" in passes:
        seen.seconds = timed_steps(
            real, subject.device, warmup=subject.warmup, steps=subject.steps, tell=subject.tell
        )
    if "kernels" in passes:
        seen.kernels = kernel_table(real, subject.device, subject.tell)


def _paths(real: RealRun | None) -> Callable[[Any], str | None]:
    """Module -> its path, as far as there is a model."""
    paths = {} if real is None else {id(module): path for path, module in real.model.named_modules()}
    return lambda module: paths.get(id(module))


def _context(readings: Collection[PhaseReading], used_before: int) -> int | None:
    """What the driver counts beside the allocator's reserve, where the device was fullest."""
    known = [
        reading.device_used_bytes - (reading.end_reserved_bytes or 0)
        for reading in readings
        if reading.device_used_bytes is not None
    ]
    return max(known) - used_before if known else None


def _levels(observed: Timeline) -> tuple[PhaseReading, ...]:
    """Readings where there are no counters: levels of the observed blocks, as requested."""
    levels = replay(observed)
    requested = (0, *levels.requested)
    return tuple(
        PhaseReading(
            step=mark.step,
            phase=mark.phase,
            end_allocated_bytes=requested[end],
            peak_allocated_bytes=max(requested[start : end + 1]),
        )
        for mark, start, end in spans(levels)
    )


def _clean(device: str) -> None:
    """Nothing of a pass, nor of drawing random weights, stays for what comes after. To be called when its function
    has returned: until then a failed pass is held by its own frame, whose locals were looked at.

    A real loading leaves the allocator no free segments of an initialization, and cuBLAS's workspaces, which torch
    keeps for good, belong to the first step that needs them (aten/src/ATen/cuda/CublasHandlePool.cpp).
    """
    gc.collect()
    if device == "cuda":
        import torch

        torch._C._cuda_clearCublasWorkspaces()
        torch.cuda.empty_cache()
