"""Footprint: what a replayed timeline says about memory. Everything here is derived from the replay's levels."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from anatomy.memory.allocator import OutOfMemory, Replay, spans
from anatomy.memory.allocator import replay as run_replay
from anatomy.memory.timeline import Category, Phase, Timeline

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True, slots=True)
class Instant:
    """One entry of the trace, and what was running."""

    index: int
    """Index into the trace of the replayed timeline."""
    step: int
    """The training step, counted from 1; 0 while loading."""
    phase: Phase
    """Where in the step."""
    module: str
    """Path of the module that was running; '' for none."""
    op: str
    """The operator that allocated, e.g. 'aten.mm'."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Blocks that are alike, alive at one instant."""

    category: Category
    component: str
    phase: Phase
    """Phase in which they were born."""
    bytes: int
    """Sum of the sizes that the allocator gave them, so that parts add up to what is allocated."""
    requested_bytes: int
    """Sum of what was asked for; the rest is rounding to 512 B and ends too small to be split off."""
    blocks: int
    """How many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepPeak:
    """The highest levels within one step. Step 0 is loading."""

    step: int
    allocated_bytes: int
    reserved_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """Memory of one run. Allocated, reserved and device bytes are three numbers: say which."""

    peak_allocated_bytes: int
    """Blocks in use at the highest instant: torch.cuda.max_memory_allocated()."""
    peak_requested_bytes: int
    """The highest sum of what was asked for, before the allocator's rounding."""
    peak_reserved_bytes: int
    """Held by the allocator at most: torch.cuda.max_memory_reserved()."""
    instant: Instant | None
    """When `peak_allocated_bytes` was first reached; None when nothing could be allocated at all."""
    reserved_instant: Instant | None
    """When `peak_reserved_bytes` was first reached."""
    parts: tuple[Part, ...] = field(repr=False)
    """What is alive at `instant`, largest first; adds up to `peak_allocated_bytes`."""
    resting: Mapping[Phase, int]
    """Allocated bytes at the end of loading and of each phase of the last step (of its last micro-batch)."""
    phase_peaks: Mapping[Phase, int]
    """Highest allocated bytes during each phase, over all steps."""
    steps: tuple[StepPeak, ...]
    """The peak of each step."""
    retries: int
    """Times the cache had to be given back to serve a request."""
    out_of_memory: OutOfMemory | None
    """Where the run ends on a device of the replay's capacity; the numbers above are then those up to there."""

    @property
    def by_category(self) -> dict[Category, int]:
        """Bytes of each category at the peak, in the vocabulary's order; adds up to `peak_allocated_bytes`."""
        sums = _sums((part.category, part.bytes) for part in self.parts)
        return {category: sums[category] for category in Category if category in sums}

    @property
    def by_component(self) -> dict[str, int]:
        """Bytes of each component at the peak, largest first; '' is what no module owns."""
        return dict(_sums((part.component, part.bytes) for part in self.parts).most_common())

    @property
    def by_category_and_component(self) -> dict[tuple[Category, str], int]:
        """Bytes of each pair at the peak, largest first."""
        return dict(_sums(((part.category, part.component), part.bytes) for part in self.parts).most_common())

    @property
    def by_phase_born(self) -> dict[Phase, int]:
        """Bytes at the peak by the phase that made them, in the phases' order."""
        sums = _sums((part.phase, part.bytes) for part in self.parts)
        return {phase: sums[phase] for phase in Phase if phase in sums}

    @property
    def rounding_bytes(self) -> int:
        """Part of the peak that nobody asked for: rounding to 512 B and ends too small to be split off."""
        return self.peak_allocated_bytes - sum(part.requested_bytes for part in self.parts)

    @property
    def unused_reserve_bytes(self) -> int:
        """Peak reserved less peak allocated: the allocator's cache and fragmentation."""
        return self.peak_reserved_bytes - self.peak_allocated_bytes

    def device_bytes(self, context_bytes: int) -> int:
        """What nvidia-smi shows for the process at most: reserved, and the CUDA context with its libraries."""
        return self.peak_reserved_bytes + context_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The levels after one trace entry, for plots."""

    index: int
    step: int
    phase: Phase
    allocated_bytes: int
    reserved_bytes: int
    by_category: Mapping[Category, int]
    """Adds up to `allocated_bytes`."""


def footprint(timeline: Timeline, replay: Replay | None = None) -> Footprint:
    """What a timeline needs. `replay` is one of this timeline; left out, it is made without any limit."""
    ran = run_replay(timeline) if replay is None else replay
    return Footprint(
        peak_allocated_bytes=ran.peak_allocated_bytes,
        peak_requested_bytes=ran.peak_requested_bytes,
        peak_reserved_bytes=ran.peak_reserved_bytes,
        instant=_instant(ran.timeline, ran.peak_allocated_index),
        reserved_instant=_instant(ran.timeline, ran.peak_reserved_index),
        parts=_parts(ran, ran.peak_allocated_index),
        resting=_resting(ran),
        phase_peaks=_phase_peaks(ran),
        steps=_step_peaks(ran),
        retries=ran.retries,
        out_of_memory=ran.out_of_memory,
    )


def samples(replay: Replay, points: int) -> tuple[Sample, ...]:
    """The levels of a replay at `points` entries or fewer: the highest of each of `points` equal stretches.

    The peak is therefore always among them. Each sample knows its categories, for a stacked plot.
    """
    if points < 1:
        raise ValueError(f"points is {points}, but must be at least 1")
    count = len(replay.allocated)
    edges = [count * i // points for i in range(points + 1)]
    stretches = (range(a, b) for a, b in pairwise(edges) if a < b)
    wanted = [max(stretch, key=replay.allocated.__getitem__) for stretch in stretches]
    return tuple(_walk(replay, wanted))


def _walk(replay: Replay, wanted: Sequence[int]) -> Iterator[Sample]:
    """A sample at each wanted index; they ascend."""
    timeline, levels, done = replay.timeline, Counter[Category](), 0
    for index in wanted:
        for entry in timeline.trace[done : index + 1]:
            block = entry if entry >= 0 else ~entry
            size = replay.block_bytes[block]
            levels[timeline.blocks[block].category] += size if entry >= 0 else -size
        done = index + 1
        mark = timeline.mark_at(index)
        yield Sample(
            index=index,
            step=mark.step,
            phase=mark.phase,
            allocated_bytes=replay.allocated[index],
            reserved_bytes=replay.reserved[index],
            by_category={category: levels[category] for category in Category if levels[category]},
        )


def _sums(items: Iterable[tuple[K, int]]) -> Counter[K]:
    sums: Counter[K] = Counter()
    for key, size in items:
        sums[key] += size
    return sums


def _instant(timeline: Timeline, index: int | None) -> Instant | None:
    if index is None:
        return None
    entry, mark = timeline.trace[index], timeline.mark_at(index)
    block = timeline.blocks[entry if entry >= 0 else ~entry]
    return Instant(index=index, step=mark.step, phase=mark.phase, module=block.module, op=block.op)


def _parts(replay: Replay, index: int | None) -> tuple[Part, ...]:
    """The blocks alive after entry `index`, grouped; largest first."""
    alive: dict[int, Phase] = {}
    until = 0 if index is None else index + 1
    for mark, start, end in spans(replay):
        for entry in replay.timeline.trace[start : min(end, until)]:
            if entry >= 0:
                alive[entry] = mark.phase
            else:
                del alive[~entry]
    groups: defaultdict[tuple[Category, str, Phase], list[int]] = defaultdict(list)
    for block_id, phase in alive.items():
        block = replay.timeline.blocks[block_id]
        groups[block.category, block.component, phase].append(block_id)
    parts = (
        Part(
            category=category,
            component=component,
            phase=phase,
            bytes=sum(replay.block_bytes[b] for b in ids),
            requested_bytes=sum(replay.timeline.blocks[b].bytes for b in ids),
            blocks=len(ids),
        )
        for (category, component, phase), ids in groups.items()
    )
    return tuple(sorted(parts, key=lambda part: -part.bytes))


def _resting(replay: Replay) -> dict[Phase, int]:
    """The level at the end of each phase of loading and of the last step, as far as phases ended."""
    ended = spans(replay)[: -1 if replay.out_of_memory else None]
    last = max((mark.step for mark, _, _ in ended), default=0)
    levels = (0, *replay.allocated)
    return {mark.phase: levels[end] for mark, _, end in ended if mark.step in (0, last)}


def _phase_peaks(replay: Replay) -> dict[Phase, int]:
    levels, peaks = (0, *replay.allocated), dict[Phase, int]()
    for mark, start, end in spans(replay):
        peaks[mark.phase] = max(peaks.get(mark.phase, 0), *levels[start : end + 1])
    return peaks


def _step_peaks(replay: Replay) -> tuple[StepPeak, ...]:
    allocated, reserved = (0, *replay.allocated), (0, *replay.reserved)
    reach: dict[int, tuple[int, int]] = {}
    for mark, start, end in spans(replay):
        reach[mark.step] = (reach.get(mark.step, (start, end))[0], end)
    return tuple(
        StepPeak(
            step=step,
            allocated_bytes=max(allocated[start : end + 1]),
            reserved_bytes=max(reserved[start : end + 1]),
        )
        for step, (start, end) in reach.items()
    )
