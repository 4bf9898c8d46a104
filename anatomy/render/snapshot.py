"""A replay as the memory snapshot that torch.cuda.memory._dump_snapshot() writes.

pytorch.org/memory_viz and torch's own torch.cuda._memory_viz open it. The keys are those of
torch/csrc/cuda/memory_snapshot.cpp; sizes are as c10/cuda/CUDACachingAllocator.cpp records them: an entry of the trace
has the bytes that were asked for, a block of a segment has both these and the allocator's own.
"""

import pickle
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from anatomy.memory.allocator import DeviceCall, OutOfMemory, Replay, spans
from anatomy.memory.caching import round_size
from anatomy.memory.segments import Segment, Stretch, segments
from anatomy.memory.timeline import Event

CLOCK = "one microsecond stands for one entry of the timeline: order is known here, duration is not"

PICKLE_PROTOCOL = 4
"""The newest that the viewer's own unpickler reads (torch/utils/viz/MemoryViz.js: 2 to 4)."""

_FIRST_ADDRESS = 1 << 40
"""Added to every address of the replay, whose first is 0: a block at 0 would read as none."""
_UNKNOWN = "unknown"
"""The viewer's category of what has none. It has to occur in a trace with categories: where it does not, the viewer
means to add it and calls `snapshot.categores.push`, which does not exist (annotate_snapshot in MemoryViz.js)."""

Frames = list[dict[str, Any]]


def to_pickle(replay: Replay, *, at_peak: bool = False) -> bytes:
    """The snapshot as a file's content; the arguments of `snapshot`. Builtin types alone: reading it runs no code."""
    return pickle.dumps(snapshot(replay, at_peak=at_peak), protocol=PICKLE_PROTOCOL)


def snapshot(replay: Replay, *, at_peak: bool = False) -> dict[str, Any]:
    """What torch.cuda.memory._snapshot() would say at the end of the replay, with its whole history.

    With `at_peak` the run stops where most is allocated for the first time. The trace begins with an empty device,
    so each of its prefixes adds up to what was requested then (`Replay.requested`); the blocks add up to
    `Replay.allocated` and the segments to `Replay.reserved`. Blocks of 0 bytes are left out, as the allocator never
    sees them.

    A stack, outermost first: phase, category, component, the modules from the outside in, the operator.
    """
    peak = replay.peak_allocated_index
    entries = peak + 1 if at_peak and peak is not None else None
    history = _History(replay)
    return {
        "segments": [history.segment(segment) for segment in segments(replay, entries)],
        "device_traces": [list(history.trace(entries))],
        "external_annotations": list(history.annotations(entries)),
        "allocator_settings": {
            "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True" if replay.expandable_segments else "",
            "max_split_size": -1,
            "garbage_collection_threshold": 0.0,
            "expandable_segments": replay.expandable_segments,
        },
        "anatomy": {"clock": CLOCK, "environment": dict(replay.timeline.environment)},
    }


class _History:
    """The parts of one snapshot. Equal stacks are one object, which a pickle writes once."""

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.reached = len(replay.allocated)
        self.events = tuple(replay.timeline.events())
        self.births = {event.block_id: event for event in self.events if event.born}
        self.calls: defaultdict[int, list[DeviceCall]] = defaultdict(list)
        self.origins: dict[int, Event] = {}
        for call in replay.device_calls:
            self.calls[call.at].append(call)
            if call.bytes > 0:
                self.origins[call.address] = self.events[call.at]
        self.stacks: dict[tuple[object, ...], Frames] = {}

    def segment(self, segment: Segment) -> dict[str, Any]:
        blocks = [self._block(stretch) for stretch in segment.stretches]
        return {
            "device": 0,
            "address": _FIRST_ADDRESS + segment.address,
            "total_size": segment.bytes,
            "allocated_size": segment.allocated_bytes,
            "active_size": segment.allocated_bytes,
            "requested_size": sum(block["requested_size"] for block in blocks),
            "stream": 0,
            "segment_type": "large" if segment.large else "small",
            "segment_pool_id": (0, 0),
            "is_expandable": self.replay.expandable_segments,
            "frames": self._stack(self.origins.get(segment.address)),
            "blocks": blocks,
        }

    def _block(self, stretch: Stretch) -> dict[str, Any]:
        birth = None if stretch.block_id is None else self.births[stretch.block_id]
        return {
            "address": _FIRST_ADDRESS + stretch.address,
            "size": stretch.bytes,
            "requested_size": birth.block.bytes if birth else 0,
            "state": "active_allocated" if birth else "inactive",
            "frames": self._stack(birth),
        }

    def trace(self, entries: int | None) -> Iterator[dict[str, Any]]:
        """What the allocator did in the first so many entries; in all, and in the one that failed, when left out."""
        for event in self.events[: self.reached][:entries]:
            yield from map(self._device_entry, self.calls[event.index])
            if self.replay.block_bytes[event.block_id]:
                yield from self._block_entries(event)
        failure = self.replay.out_of_memory
        if entries is None and failure is not None:
            yield from map(self._device_entry, self.calls[failure.index])
            yield self._failure_entry(failure)

    def annotations(self, entries: int | None) -> Iterator[dict[str, Any]]:
        """Where each phase begins and ends, as torch.profiler.record_function leaves it in a snapshot."""
        stop = self.reached if entries is None else entries
        for mark, start, end in spans(self.replay):
            if start < stop:
                name = f"{mark.phase.value} ({_step(mark.step)})"
                yield {"name": name, "stage": "START", "device": 0, "time_us": start}
                yield {"name": name, "stage": "END", "device": 0, "time_us": min(end, stop)}

    def _block_entries(self, event: Event) -> Iterator[dict[str, Any]]:
        entry = self._entry(event, event.block.bytes)
        entry["addr"] = _FIRST_ADDRESS + self.replay.block_address[event.block_id]
        if event.born:
            yield {"action": "alloc", "category": event.block.category.value, **entry}
        else:
            yield {"action": "free_requested", **entry}
            yield {"action": "free_completed", **entry}

    def _device_entry(self, call: DeviceCall) -> dict[str, Any]:
        taken, expandable = call.bytes > 0, self.replay.expandable_segments
        return {
            "action": _DEVICE_ACTIONS[taken, expandable],
            "category": _UNKNOWN,
            "addr": _FIRST_ADDRESS + call.address,
            **self._entry(self.events[call.at], abs(call.bytes)),
        }

    def _failure_entry(self, failure: OutOfMemory) -> dict[str, Any]:
        free = (self.replay.capacity or 0) - failure.reserved_bytes
        size = round_size(failure.requested_bytes)
        return {"action": "oom", "device_free": free, **self._entry(self.events[failure.index], size)}

    def _entry(self, event: Event, size: int) -> dict[str, Any]:
        """What every entry of a trace has. `compile_context` is torch's word for: nothing was being compiled."""
        return {
            "size": size,
            "stream": 0,
            "time_us": event.index,
            "compile_context": "N/A",
            "user_metadata": f"{event.phase.value} ({_step(event.step)})",
            "frames": self._stack(event),
        }

    def _stack(self, event: Event | None) -> Frames:
        if event is None:
            return []
        key = (event.block if event.born else None, event.phase, event.step)
        if key not in self.stacks:
            self.stacks[key] = _frames(event)
        return self.stacks[key]


_DEVICE_ACTIONS = {
    (True, False): "segment_alloc",
    (False, False): "segment_free",
    (True, True): "segment_map",
    (False, True): "segment_unmap",
}
"""Whether memory was taken, and whether segments are expandable -> the action of the trace."""


def _frames(event: Event) -> Frames:
    """Innermost first, as torch has them. Who freed a block is not known: a free has its phase alone."""
    phase = _frame(_step(event.step), event.phase.value)
    if not event.born:
        return [phase]
    block = event.block
    parts = block.module.split(".")
    modules = [_frame(".".join(parts[:depth]), parts[depth - 1]) for depth in range(len(parts) - 1, 0, -1)]
    component = [_frame("component", block.component)] if block.component else []
    operator = _frame(block.module or "no module", block.op or "no operator")
    return [operator, *modules, *component, _frame("category", block.category.value), phase]


def _frame(filename: str, name: str) -> dict[str, Any]:
    """A viewer shows it as filename:line:name; no line of source is meant."""
    return {"filename": filename, "line": 0, "name": name}


def _step(step: int) -> str:
    return f"step {step}" if step else "before the first step"
