"""How long a measured step took, and what it did meanwhile."""

from collections.abc import Iterator

from anatomy.documents.document import Column, Facts, Table
from anatomy.profiling.measurement import Measurement, Timing

KERNELS_SHOWN = 10
"""Rows that a terminal shows; other formats have all."""
_FLOPS = ((1e15, "PFLOP/s"), (1e12, "TFLOP/s"), (1e9, "GFLOP/s"), (1e6, "MFLOP/s"))
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def format_seconds(seconds: float) -> str:
    """A time in the largest unit that fits: '1.25 s', '12.50 ms', '3.10 µs'."""
    size, unit = next((row for row in _SECONDS if seconds >= row[0]), _SECONDS[-1])
    return f"{seconds / size:.2f} {unit}"


def format_flops_per_second(rate: float) -> str:
    """A rate in the largest unit that fits: '312.00 TFLOP/s'."""
    size, unit = next((row for row in _FLOPS if rate >= row[0]), (1.0, "FLOP/s"))
    return f"{rate / size:.2f} {unit}"


def speed(timing: Timing) -> Facts:
    """Step time, tokens, FLOP/s and MFU."""
    return Facts(title="Speed", items=tuple(_speed(timing)))


def _speed(timing: Timing) -> Iterator[tuple[str, str]]:
    times = timing.step_seconds
    spread = f", {format_seconds(min(times))} to {format_seconds(max(times))}" if len(times) > 1 else ""
    yield "step", f"{format_seconds(timing.seconds)}  median of {len(times)}{spread}"
    yield "tokens", f"{timing.tokens_per_second:,.0f} per second  {timing.tokens_per_step:,} in a step"
    if timing.flops_per_second is not None:
        yield "achieved", f"{format_flops_per_second(timing.flops_per_second)}  recomputation included"
    if timing.mfu is not None and timing.peak_flops is not None:
        peak = format_flops_per_second(timing.peak_flops)
        yield "MFU", f"{100 * timing.mfu:.1f} % of the {peak} on the data sheet, recomputation left out"


def kernels(run: Measurement) -> Table:
    """Where the time of a step goes."""
    total = sum(kernel.seconds for kernel in run.kernels)
    rows = tuple(
        (kernel.name, kernel.calls, kernel.seconds, kernel.seconds / total if total else None)
        for kernel in run.kernels
    )
    title = "kernel" if run.machine.kind == "cuda" else "operator"
    return Table(
        title=f"{title.capitalize()}s of one step, the longest first",
        columns=(
            Column(name="name", title=title),
            Column(name="calls", title="calls", show=lambda calls: f"{calls:,}", right=True, keep=True),
            Column(name="seconds", title="time", show=format_seconds, right=True, keep=True),
            Column(name="share", title="share", show=_share, right=True, keep=True),
        ),
        rows=rows,
        total=("total", sum(kernel.calls for kernel in run.kernels), total, 1.0 if total else None),
        brief=tuple(range(KERNELS_SHOWN)) if len(rows) > KERNELS_SHOWN else None,
    )


def _share(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"
