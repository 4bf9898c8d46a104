"""Whether a run fits on a GPU: the same timeline, replayed with the memory that this GPU can give out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from anatomy.hardware.catalog import Gpu
from anatomy.memory.allocator import OutOfMemory, Replay, replay
from anatomy.memory.timeline import Timeline

Verdict = Literal["fits", "fits after freeing cache", "may fit", "does not fit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """One run on one GPU."""

    gpu: str
    """The GPU's name in the catalog."""
    memory_bytes: int
    """What a process can allocate on it, in bytes, as the driver or torch reports it."""
    nominal: bool
    """True when `memory_bytes` is only the figure on the box: less will be usable."""
    context_bytes: int
    """Assumed memory of the CUDA context and libraries, which the allocator cannot have."""
    reserved_bytes: int
    """Most that the allocator holds: on this GPU where the run fits, else what it would hold without a limit."""
    verdict: Verdict
    """'fits after freeing cache': the allocator has to give cached memory back on the way, which costs time.
    'may fit': it would with the kernels that were rehearsed, but this GPU has others, which can need more."""
    out_of_memory: OutOfMemory | None = None
    """The request that fails, or None when the run fits."""
    note: str = ""
    """What else speaks against this GPU, or ''."""

    @property
    def fits(self) -> bool:
        """True when the run reaches its end, with the kernels that were rehearsed."""
        return self.out_of_memory is None

    @property
    def tight(self) -> bool:
        """True when the run fits only because the allocator gives cached memory back on the way."""
        return self.verdict == "fits after freeing cache"

    @property
    def unreserved(self) -> bool:
        """True when the run fits and nothing speaks against this GPU."""
        return self.verdict == "fits" and not (self.note or self.nominal)

    @property
    def headroom_bytes(self) -> int | None:
        """Memory that stays free; negative by how much the unlimited run is too large where it does not fit.

        None where cached memory has to be given back: what is free then says nothing of the margin.
        """
        return None if self.tight else self.memory_bytes - self.context_bytes - self.reserved_bytes

    def to_dict(self) -> dict[str, Any]:
        """One entry of `fits` in `plan --json`."""
        failure = self.out_of_memory
        return {
            "gpu": self.gpu,
            "memory_bytes": self.memory_bytes,
            "nominal": self.nominal,
            "context_bytes": self.context_bytes,
            "reserved_bytes": self.reserved_bytes,
            "verdict": self.verdict,
            "headroom_bytes": self.headroom_bytes,
            "fails_at": None if failure is None else _failure(failure),
            "note": self.note,
        }


def fit_all(
    timeline: Timeline,
    unlimited: Replay,
    gpus: Iterable[Gpu],
    *,
    bf16: bool,
    rehearsed_on: str | None = None,
) -> tuple[Fit, ...]:
    """The run of `timeline` on each GPU, the smallest memory first.

    `unlimited` is its replay without a limit: where a GPU has as much, the replay on it is the same by
    construction and is not repeated; GPUs of equal memory share one. `bf16`: whether the run computes in
    bfloat16, which older GPUs only emulate. `rehearsed_on`: the compute capability whose kernels the timeline
    shows, None when it is each GPU's own.
    """
    replays: dict[int, Replay] = {}
    fits = []
    for gpu in sorted(gpus, key=lambda gpu: (gpu.memory_bytes, gpu.name)):
        capacity = max(0, gpu.memory_bytes - gpu.context_bytes)
        if capacity >= unlimited.peak_reserved_bytes:
            ran = unlimited
        else:
            if capacity not in replays:
                replays[capacity] = replay(timeline, capacity=capacity)
            ran = replays[capacity]
        fits.append(_fit(gpu, ran, unlimited, bf16=bf16, rehearsed_on=rehearsed_on))
    return tuple(fits)


def smallest(fits: Iterable[Fit]) -> Fit | None:
    """The GPU with the least memory on which the run fits: without reservations, else without freeing cache.

    `fits`: the smallest memory first.
    """
    fitting = [fit for fit in fits if fit.fits]
    unreserved = [fit for fit in fitting if fit.unreserved]
    roomy = [fit for fit in fitting if not fit.tight]
    return next(iter(unreserved or roomy or fitting), None)


def smallest_fit(
    timeline: Timeline,
    unlimited: Replay,
    gpus: Iterable[Gpu],
    *,
    bf16: bool,
    rehearsed_on: str | None = None,
) -> Fit | None:
    """`smallest` of `fit_all`, without most of its replays; None where the run fits nowhere.

    A GPU with less memory than the unlimited run reserves makes the allocator give cache back, if it does at all: it
    comes after every GPU that has as much and against which nothing speaks.
    """
    all_of_them = tuple(gpus)
    roomy = [
        gpu for gpu in all_of_them if gpu.memory_bytes - gpu.context_bytes >= unlimited.peak_reserved_bytes
    ]
    best = smallest(fit_all(timeline, unlimited, roomy, bf16=bf16, rehearsed_on=rehearsed_on))
    if best is not None and best.unreserved:
        return best
    return smallest(fit_all(timeline, unlimited, all_of_them, bf16=bf16, rehearsed_on=rehearsed_on))


def _fit(gpu: Gpu, ran: Replay, unlimited: Replay, *, bf16: bool, rehearsed_on: str | None) -> Fit:
    failed = ran.out_of_memory is not None
    fits: Verdict = "fits after freeing cache" if ran.retries else "fits"
    others = list(_other_kernels(gpu, rehearsed_on))
    if others:
        fits = "may fit"
    note = ", ".join([*(["emulates bf16"] if bf16 and not gpu.bf16 else []), *others])
    return Fit(
        gpu=gpu.name,
        memory_bytes=gpu.memory_bytes,
        nominal=gpu.nominal,
        context_bytes=gpu.context_bytes,
        reserved_bytes=(unlimited if failed else ran).peak_reserved_bytes,
        verdict="does not fit" if failed else fits,
        out_of_memory=ran.out_of_memory,
        note=note,
    )


def _other_kernels(gpu: Gpu, rehearsed_on: str | None) -> Iterator[str]:
    """How this GPU's kernels differ from the rehearsed ones, where that can cost memory."""
    # torch's flash attention begins with compute capability 8.0 (sdp_utils.cpp, check_flash_attention_hardware_support).
    if rehearsed_on is not None and _below_8(gpu.compute_capability) and not _below_8(rehearsed_on):
        yield "no flash attention"
    if rehearsed_on is not None and gpu.vendor != "NVIDIA":
        yield "CUDA's kernels assumed"


def _below_8(compute_capability: str) -> bool:
    """False for AMD's targets, which have no such number."""
    major = compute_capability.partition(".")[0]
    return major.isdigit() and int(major) < 8


def _failure(failure: OutOfMemory) -> dict[str, Any]:
    return {
        "step": failure.step,
        "phase": failure.phase.value,
        "module": failure.module,
        "op": failure.op,
        "requested_bytes": failure.requested_bytes,
        "allocated_bytes": failure.allocated_bytes,
        "reserved_bytes": failure.reserved_bytes,
    }
