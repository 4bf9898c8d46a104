"""The pass that sees every block: real steps under torch.profiler, no dispatch mode active."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from torch.profiler import ProfilerActivity, profile

from anatomy.memory.timeline import Phase, Timeline
from anatomy.profiling import allocator_trace
from anatomy.profiling.events import Held, Instant, observed_timeline
from anatomy.profiling.measurement import AllocatorTrace
from anatomy.profiling.ranges import Ranges
from anatomy.profiling.real import RealRun


class Observation:
    """Steps of a real run, watched. A run that fails on the way leaves what was seen until then."""

    def __init__(self, real: RealRun, device: str) -> None:
        self._real = real
        self._device = device
        self._ranges = Ranges()
        self._instants = [Instant(phase=Phase.LOAD, step=0, held=_unique(real.loaded()))]
        self._profiler: Any = None
        self._left: tuple[Held, ...] = ()
        self.allocator_trace: AllocatorTrace | None = None
        self.step = 0

    @property
    def phase(self) -> Phase:
        """The last phase that began."""
        return self._instants[-1].phase

    def run(self, steps: int, tell: Callable[[str], None]) -> None:
        """Take that many steps; what they raise is raised, after the record has been closed."""
        real = self._real
        self._ranges.watch(real.model)
        real.wrap_loss(self._ranges.wrap_loss)
        with ExitStack() as stack:
            if self._device == "cuda":
                stack.callback(self._keep_trace)
                allocator_trace.start()
            # CUDA's allocator reports to a profile of the CPU as well (KinetoThreadLocalState::reportMemoryUsage);
            # CUPTI, which would watch the kernels, takes time and memory of the device.
            watching = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
            self._profiler = stack.enter_context(watching)
            stack.enter_context(self._ranges)
            stack.callback(self._name_what_is_left)
            for number in range(1, steps + 1):
                self.step = number
                tell(f"observing step {number} of {steps}")
                real.step(self._enter)

    def timeline(self, environment: Mapping[str, Any]) -> tuple[Timeline, int]:
        """Every block that was seen, and the peak of host-only bytes (see `observed_timeline`)."""
        asked = None if self.allocator_trace is None else allocator_trace.requested(self.allocator_trace)
        return observed_timeline(
            self._profiler,
            self._instants,
            device=self._device,
            component_of=self._real.names,
            environment=environment,
            left=self._left,
            requested=asked,
        )

    def _enter(self, phase: Phase) -> None:
        """`phase` begins; before that, what the one before it made gets its name."""
        self._instants.append(Instant(phase=phase, step=self.step, held=tuple(self._made())))
        self._ranges.phase()

    def _made(self) -> Iterable[Held]:
        """What the running phase has made and we know by name."""
        if self.phase is Phase.BACKWARD:
            return self._real.gradients()
        return self._real.states() if self.phase is Phase.OPTIMIZER else ()

    def _name_what_is_left(self) -> None:
        """After the last step, or where the run failed."""
        self._left = tuple(self._made())

    def _keep_trace(self) -> None:
        self.allocator_trace = allocator_trace.stop()


def _unique(held: Any) -> tuple[Held, ...]:
    """One entry for each storage, named by whoever comes first; nothing for empty ones."""
    found: dict[int, Held] = {}
    for one in held:
        if one.bytes:
            found.setdefault(one.address, one)
    return tuple(found.values())
