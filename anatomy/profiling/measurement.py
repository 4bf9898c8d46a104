"""Measurement: what a real run was seen to do. Values only; `record.py` keeps them in files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal

from anatomy.memory.timeline import Phase, Timeline
from anatomy.planning.plan import ModelName
from anatomy.training.recipe import Recipe

DeviceKind = Literal["cuda", "cpu"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """Where a run was measured."""

    kind: DeviceKind
    """'cuda', or 'cpu' where there was no GPU."""
    name: str
    """The GPU as its driver calls it, or the processor."""
    memory_bytes: int
    """What the device has in all: torch's total_memory, or the machine's memory."""
    capability: tuple[int, int] | None = None
    """CUDA compute capability; None on the CPU."""
    multiprocessors: int | None = None
    """Streaming multiprocessors; None on the CPU."""
    driver: str | None = None
    """Version of the GPU's driver, as far as it could be asked for."""
    python: str = ""
    platform: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Installed versions of the libraries that ran."""
    allocator: str = ""
    """PYTORCH_CUDA_ALLOC_CONF (or PYTORCH_ALLOC_CONF), as it was set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseReading:
    """The device's counters over one phase of one step, read with nothing else at work."""

    step: int
    """0 for loading, then 1, 2, ..."""
    phase: Phase
    end_allocated_bytes: int
    peak_allocated_bytes: int
    end_reserved_bytes: int | None = None
    """None on the CPU, whose allocator keeps nothing back."""
    peak_reserved_bytes: int | None = None
    device_used_bytes: int | None = None
    """Memory in use at the end of the phase by the driver's account, all processes together; None on the CPU."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How long steps took, with nothing at work that slows them down."""

    step_seconds: tuple[float, ...]
    """Each measured step, warm-up steps left out; the device was waited for at both ends."""
    tokens_per_step: int
    """Tokens that the model reads in one optimizer step, all micro-batches together."""
    model_flops: int | None = None
    """FLOPs of one step without recomputation (a multiply-add is two), as torch's FlopCounterMode counts them."""
    hardware_flops: int | None = None
    """The same with recomputation: what the device really did."""
    peak_flops: float | None = None
    """The device's dense FLOP/s in the precision that was computed in, by its data sheet; None where unknown."""

    @property
    def seconds(self) -> float:
        """The median step."""
        return median(self.step_seconds)

    @property
    def tokens_per_second(self) -> float:
        """Tokens read in a second."""
        return self.tokens_per_step / self.seconds

    @property
    def flops_per_second(self) -> float | None:
        """Achieved FLOP/s, recomputation included."""
        return None if self.hardware_flops is None else self.hardware_flops / self.seconds

    @property
    def mfu(self) -> float | None:
        """Model FLOPs utilization: FLOP/s without recomputation as a share of the peak (PaLM, appendix B)."""
        if self.model_flops is None or not self.peak_flops:
            return None
        return self.model_flops / self.seconds / self.peak_flops


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    """One kind of kernel (on the CPU: one operator) in one profiled step."""

    name: str
    calls: int
    seconds: float
    """Time of its own on the device, summed over the calls."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AllocatorTrace:
    """torch.cuda.memory's history of the observed steps, in columns of equal length."""

    actions: tuple[str, ...]
    """'alloc', 'free_requested', 'free_completed', 'segment_alloc', 'segment_free', 'segment_map', 'segment_unmap', 'oom', ..."""
    addresses: tuple[int, ...]
    sizes: tuple[int, ...]
    """Bytes: as requested for blocks, as held for segments."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A run that ended early, out of memory."""

    step: int
    phase: Phase
    module: str
    """Module at work; '' where none was or it is not known."""
    requested_bytes: int | None
    """What could not be had, where the message says it."""
    message: str
    """The first sentence of the library's message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One run, measured. Bytes are integers; what was not measured is None."""

    machine: Machine
    """Where it ran."""
    model: ModelName
    """Which model ran."""
    recipe: Recipe
    """Complete, and adapted to what the model can run."""
    weights: Literal["random", "real"]
    """Random weights of the right shapes, or the checkpoint's. Memory does not depend on their values."""
    phases: tuple[PhaseReading, ...]
    """In order, loading first. On the CPU they are read off the profiler's memory events."""
    observed: Timeline
    """Every block of the device that the profiler saw come and go, no dispatch mode active."""
    recorded: Timeline | None = None
    """The recorder's own timeline on real tensors, from a pass of its own: no measurement, a mode was active."""
    host_bytes: int = 0
    """On the CPU: peak of what was taken by no operator that does work of its own (Python numbers, generator states):
    never on a GPU, and left out of `phases` and `observed`."""
    context_bytes: int | None = None
    """Device memory in use beside torch's allocator: the CUDA context, kernels, libraries."""
    peak_rss_bytes: int | None = None
    """Highest resident memory of the process over the steps; on the CPU only."""
    timing: Timing | None = None
    """How long the steps took; None where none was timed."""
    kernels: tuple[Kernel, ...] = ()
    """The longest first."""
    allocator_trace: AllocatorTrace | None = None
    """On CUDA only."""
    failure: Failure | None = None
    """Set when the run ended out of memory; the numbers are then those up to there."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers should know."""

    @property
    def peak_allocated_bytes(self) -> int:
        """The highest level of blocks in use: torch.cuda.max_memory_allocated()."""
        return max((reading.peak_allocated_bytes for reading in self.phases), default=0)

    @property
    def peak_reserved_bytes(self) -> int | None:
        """The highest level of held memory: torch.cuda.max_memory_reserved(). None on the CPU."""
        return _highest(reading.peak_reserved_bytes for reading in self.phases)

    @property
    def peak_device_bytes(self) -> int | None:
        """The highest use by the driver's account. None on the CPU."""
        return _highest(reading.device_used_bytes for reading in self.phases)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        whole = {name: getattr(self, name) for name in _PLAIN}
        return {
            **whole,
            "machine": asdict(self.machine),
            "model": self.model.to_dict(),
            "recipe": self.recipe.to_dict(),
            "phases": [asdict(reading) for reading in self.phases],
            "observed": self.observed.to_dict(),
            "recorded": None if self.recorded is None else self.recorded.to_dict(),
            "timing": None if self.timing is None else asdict(self.timing),
            "kernels": [asdict(kernel) for kernel in self.kernels],
            "allocator_trace": None if self.allocator_trace is None else asdict(self.allocator_trace),
            "failure": None if self.failure is None else asdict(self.failure),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Measurement":
        """Read back what `to_dict` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        plain = {name: _tuples(data[name]) for name in _PLAIN}
        for name in ("host_bytes", "context_bytes", "peak_rss_bytes"):
            if not isinstance(plain[name], (int, type(None))):
                raise ValueError(f"{name} is {plain[name]!r}")
        return cls(
            **plain,
            machine=Machine(**_row(data["machine"])),
            model=ModelName(**data["model"]),
            recipe=Recipe.from_dict(data["recipe"]),
            phases=tuple(PhaseReading(**_row(reading)) for reading in data["phases"]),
            observed=Timeline.from_dict(data["observed"]),
            recorded=None if data["recorded"] is None else Timeline.from_dict(data["recorded"]),
            timing=None if data["timing"] is None else Timing(**_row(data["timing"])),
            kernels=tuple(Kernel(**kernel) for kernel in data["kernels"]),
            allocator_trace=None
            if data["allocator_trace"] is None
            else AllocatorTrace(**_row(data["allocator_trace"])),
            failure=None if data["failure"] is None else Failure(**_row(data["failure"])),
        )


_PLAIN = ("weights", "host_bytes", "context_bytes", "peak_rss_bytes", "notes")


def _highest(values: Any) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _row(data: Mapping[str, Any]) -> dict[str, Any]:
    """A dataclass's fields as JSON gave them: lists were tuples, phases were members."""
    row = {name: _tuples(value) for name, value in data.items()}
    return {**row, "phase": Phase(row["phase"])} if "phase" in row else row
