"""Passes that measure time: steps with nothing else at work, then one under torch.profiler for its kernels."""

import time
from collections.abc import Callable
from typing import Any

from torch.profiler import ProfilerActivity, profile

from anatomy.memory.timeline import Phase
from anatomy.profiling.measurement import Kernel
from anatomy.profiling.real import RealRun

KERNELS_KEPT = 30
"""Rows of the kernel table; the rest is summed up in a last one."""
REST = "(all others)"


def timed_steps(
    real: RealRun, device: str, *, warmup: int, steps: int, tell: Callable[[str], None]
) -> tuple[float, ...]:
    """Seconds of each of `steps` steps after `warmup` more; the device is waited for at both ends of each."""
    for number in range(1, warmup + 1):
        tell(f"warming up: step {number} of {warmup}")
        real.step(_nothing)
    seconds = []
    for number in range(1, steps + 1):
        tell(f"timing step {number} of {steps}")
        _wait_for(device)
        began = time.perf_counter()
        real.step(_nothing)
        _wait_for(device)
        seconds.append(time.perf_counter() - began)
    return tuple(seconds)


def kernel_table(real: RealRun, device: str, tell: Callable[[str], None]) -> tuple[Kernel, ...]:
    """The kernels of one step (on the CPU: its operators), the longest first; times add up to the step's own."""
    tell("profiling the kernels of a step")
    on_gpu = device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiler:
        real.step(_nothing)
        _wait_for(device)
    rows = [_kernel(average, on_gpu) for average in profiler.key_averages()]
    ordered = sorted((row for row in rows if row.seconds > 0), key=lambda row: -row.seconds)
    kept, rest = ordered[:KERNELS_KEPT], ordered[KERNELS_KEPT:]
    if rest:
        calls, seconds = sum(row.calls for row in rest), sum(row.seconds for row in rest)
        kept.append(Kernel(name=REST, calls=calls, seconds=seconds))
    return tuple(kept)


def _kernel(average: Any, on_gpu: bool) -> Kernel:
    """On a GPU only rows of the device count: an operator's row repeats the time of the kernels it started."""
    own = average.self_device_time_total if on_gpu else average.self_cpu_time_total
    counted = not on_gpu or str(average.device_type).endswith("CUDA")
    return Kernel(name=average.key, calls=average.count, seconds=own / 1e6 if counted else 0.0)


def _wait_for(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def _nothing(phase: Phase) -> None:
    """Nobody asks for phases."""
