"""The exported trace events: valid by the format's rules, and their counters are the levels at every entry."""

import json
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_snapshot import EXPANDABLE, MIB, timelines
from tiny_models import TINY_LLAMA

from anatomy import api
from anatomy.memory.allocator import Replay, replay, spans
from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline
from anatomy.render.trace_events import to_json, trace_events

REQUIRED = {
    "M": {"name", "pid", "args"},
    "C": {"name", "pid", "ts", "args"},
    "X": {"name", "pid", "tid", "ts", "dur", "args"},
    "i": {"name", "pid", "tid", "ts", "s", "args"},
}
"""Keys of each kind of event, by the Trace Event Format."""


def parsed(run: Replay) -> dict:
    """The file's content, its events checked against the format."""
    traced = json.loads(to_json(run))
    assert traced == trace_events(run)
    for event in traced["traceEvents"]:
        assert event.keys() - {"ph"} >= REQUIRED[event["ph"]]
        times = [event[key] for key in ("ts", "dur") if key in event]
        assert all(isinstance(time, int) and time >= 0 for time in times)
        if event["ph"] == "C":
            assert all(isinstance(value, int) for value in event["args"].values()), "a counter is a number"
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name")
            assert isinstance(event["args"]["name"], str)
    return traced


def levels(traced: dict, entries: int) -> list[dict[str, int]]:
    """What a viewer shows at each microsecond: a counter holds its value until its next event."""
    changes = [event for event in traced["traceEvents"] if event["ph"] == "C"]
    assert all(a["ts"] <= b["ts"] for a, b in pairwise(changes))
    shown: Counter[str] = Counter()
    pending, found = iter(changes), []
    change = next(pending, None)
    for now in range(entries):
        while change is not None and change["ts"] == now:
            shown[change["name"]] = change["args"]["bytes"]
            change = next(pending, None)
        found.append(dict(shown))
    assert change is None, "a counter changes after the end"
    return found


def check_counters(traced: dict, run: Replay) -> None:
    held: Counter[str] = Counter()
    for index, shown in enumerate(levels(traced, len(run.allocated))):
        entry = run.timeline.trace[index]
        block = entry if entry >= 0 else ~entry
        sign = 1 if entry >= 0 else -1
        held[run.timeline.blocks[block].category.value] += sign * run.block_bytes[block]
        assert shown.get("allocated", 0) == run.allocated[index]
        assert shown.get("reserved", 0) == run.reserved[index]
        categories = {category: shown.get(category, 0) for category in held}
        assert categories == held
        assert sum(categories.values()) == run.allocated[index]


@EXPANDABLE
@given(timeline=timelines(), capacity=st.none() | st.integers(0, 128 * MIB))
@settings(max_examples=60, deadline=None)
def test_made_timelines(expandable, timeline, capacity):
    run = replay(timeline, capacity=capacity, expandable_segments=expandable)
    traced = parsed(run)
    check_counters(traced, run)
    moments = {event["name"]: event["ts"] for event in traced["traceEvents"] if event["ph"] == "i"}
    assert moments.get("peak") == run.peak_allocated_index
    assert moments.get("out of memory") == (run.out_of_memory and run.out_of_memory.index)


@pytest.mark.parametrize("environment", [{"kind": "rehearsal"}, {"kind": "measured", "gpu": "made up"}])
def test_a_rehearsed_model(tmp_path, environment):
    """A measured timeline is of the same type and needs nothing else."""
    (tmp_path / "config.json").write_text(json.dumps(TINY_LLAMA))
    run = api.plan(str(tmp_path), seq_len=16, method="full").replay
    timeline = Timeline(
        blocks=run.timeline.blocks,
        trace=run.timeline.trace,
        marks=run.timeline.marks,
        environment=environment,
    )
    traced = parsed(replay(timeline))
    check_counters(traced, run)
    assert traced["otherData"]["environment"] == environment
    assert "one microsecond stands for one entry" in traced["otherData"]["clock"]
    (peak,) = (event for event in traced["traceEvents"] if event["name"] == "peak")
    assert peak["args"]["allocated_bytes"] == run.peak_allocated_bytes
    slices = [event for event in traced["traceEvents"] if event["ph"] == "X"]
    steps = [s for s in slices if s["tid"] == 1]
    phases = [s for s in slices if s["tid"] == 2]
    assert [s["name"] for s in steps] == ["load", "step 1", "step 2", "step 3", "step 4"]
    assert [(s["name"], s["ts"], s["ts"] + s["dur"]) for s in phases] == [
        (mark.phase.value, start, end) for mark, start, end in spans(run)
    ]
    for row in (steps, phases):
        assert row[0]["ts"] == 0
        assert all(a["ts"] + a["dur"] == b["ts"] for a, b in pairwise(row))
        assert row[-1]["ts"] + row[-1]["dur"] == len(run.allocated)


def test_what_is_drawn():
    timeline = Timeline(
        blocks=(
            Block(bytes=3 * MIB, category=Category.WEIGHTS, module="lm_head", op="load"),
            Block(bytes=MIB, category=Category.ACTIVATIONS, module="model", op="aten.mm"),
        ),
        trace=(0, 1, ~1),
        marks=(Mark(at=0, phase=Phase.LOAD, step=0), Mark(at=1, phase=Phase.FORWARD, step=1)),
    )
    events = trace_events(replay(timeline))["traceEvents"]
    assert [(e["name"], e["ts"], e["args"]["bytes"] // MIB) for e in events if e["ph"] == "C"] == [
        *(("allocated", 0, 3), ("reserved", 0, 20), ("weights", 0, 3)),
        *(("allocated", 1, 4), ("reserved", 1, 22), ("activations", 1, 1)),
        *(("allocated", 2, 3), ("activations", 2, 0)),
    ]
    assert [(e["name"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"] == [
        *(("load", 0, 1), ("step 1", 1, 2)),
        *(("load", 0, 1), ("forward", 1, 2)),
    ]
    (peak,) = (e for e in events if e["ph"] == "i")
    assert (peak["ts"], peak["args"]["module"], peak["args"]["op"]) == (1, "model", "aten.mm")
