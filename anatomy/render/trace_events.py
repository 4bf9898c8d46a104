"""A replay as trace events, which ui.perfetto.dev and chrome://tracing open.

The format is the JSON object form of Google's "Trace Event Format": counters ('C'), complete slices ('X'), instants
('i') and metadata ('M'). A counter keeps its value until its next event, so one is written only where it changes.
"""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from anatomy.memory.allocator import Replay, spans
from anatomy.memory.timeline import Block, Category
from anatomy.render.snapshot import CLOCK

_PROCESS = 1
_STEPS, _PHASES, _MOMENTS = 1, 2, 3
"""Threads of that process: one line of the picture each."""
_THREADS = {_STEPS: "steps", _PHASES: "phases", _MOMENTS: "moments"}


def to_json(replay: Replay) -> bytes:
    """The content of a .json file, one event on each line."""
    traced = trace_events(replay)
    events = ",\n".join(json.dumps(event) for event in traced.pop("traceEvents"))
    return f'{json.dumps(traced)[:-1]}, "traceEvents": [\n{events}\n]}}\n'.encode()


def trace_events(replay: Replay) -> dict[str, Any]:
    """Counters of allocated, reserved and each category's bytes; slices of steps and phases; the peak.

    Entry i of the timeline happens at microsecond i; a level that it leads to is written there. Categories add up to
    what is allocated: each block counts with the size that the allocator gave it.
    """
    return {
        "displayTimeUnit": "ns",
        "otherData": {"clock": CLOCK, "environment": dict(replay.timeline.environment)},
        "traceEvents": [*_names(), *_slices(replay), *_counters(replay), *_moments(replay)],
    }


def _names() -> Iterator[dict[str, Any]]:
    yield _event("M", "process_name", args={"name": "memory of the device"})
    for thread, name in _THREADS.items():
        yield _event("M", "thread_name", tid=thread, args={"name": name})


def _slices(replay: Replay) -> Iterator[dict[str, Any]]:
    reached = spans(replay)
    for step, group in groupby(reached, key=lambda span: span[0].step):
        ours = list(group)
        name = f"step {step}" if step else "load"
        yield _slice(_STEPS, name, ours[0][1], ours[-1][2])
    for mark, start, end in reached:
        yield _slice(_PHASES, mark.phase.value, start, end, step=mark.step)


def _slice(thread: int, name: str, start: int, end: int, **args: Any) -> dict[str, Any]:
    return _event("X", name, ts=start, dur=end - start, tid=thread, args=args)


def _counters(replay: Replay) -> Iterator[dict[str, Any]]:
    timeline, held = replay.timeline, Counter[Category]()
    shown: dict[str, int] = {}
    for index, entry in enumerate(timeline.trace[: len(replay.allocated)]):
        block = entry if entry >= 0 else ~entry
        category = timeline.blocks[block].category
        held[category] += replay.block_bytes[block] if entry >= 0 else -replay.block_bytes[block]
        levels = {
            "allocated": replay.allocated[index],
            "reserved": replay.reserved[index],
            category.value: held[category],
        }
        for name, level in levels.items():
            if shown.get(name, 0) != level:
                shown[name] = level
                yield _event("C", name, ts=index, args={"bytes": level})


def _moments(replay: Replay) -> Iterator[dict[str, Any]]:
    peak, failure = replay.peak_allocated_index, replay.out_of_memory
    if peak is not None:
        entry = replay.timeline.trace[peak]
        block = replay.timeline.blocks[entry if entry >= 0 else ~entry]
        level = {"allocated_bytes": replay.peak_allocated_bytes, "reserved_bytes": replay.reserved[peak]}
        yield _moment("peak", peak, block, level)
    if failure is not None:
        block = replay.timeline.blocks[replay.timeline.trace[failure.index]]
        yield _moment("out of memory", failure.index, block, {"requested_bytes": failure.requested_bytes})


def _moment(name: str, at: int, block: Block, args: dict[str, Any]) -> dict[str, Any]:
    made = {"module": block.module, "op": block.op, "category": block.category.value}
    return _event("i", name, ts=at, tid=_MOMENTS, s="g", args={**args, **made})


def _event(phase: str, name: str, **more: Any) -> dict[str, Any]:
    return {"ph": phase, "name": name, "pid": _PROCESS, **more}
