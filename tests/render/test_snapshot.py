"""The exported memory snapshot, read by torch's own reader: to the byte what the replay says."""

import base64
import copy
import json
import pickle
import pickletools
import re
from dataclasses import replace

import pytest
import torch.cuda._memory_viz as viz
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import MIB, TINY_LLAMA

from anatomy import api
from anatomy.memory.allocator import Replay, replay
from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline
from anatomy.render.snapshot import PICKLE_PROTOCOL, snapshot, to_pickle

OPCODES_OF_THE_VIEWER = frozenset(
    """APPEND APPENDS BINFLOAT BINGET BININT BININT1 BININT2 BINPUT BINUNICODE DICT EMPTY_DICT EMPTY_LIST EMPTY_TUPLE
    FRAME LIST LONG1 LONG_BINGET LONG_BINPUT MARK MEMOIZE NEWFALSE NEWTRUE NONE PROTO SETITEM SETITEMS
    SHORT_BINUNICODE STOP TUPLE TUPLE1 TUPLE2 TUPLE3""".split()
)
"""What `unpickle` in torch/utils/viz/MemoryViz.js knows; it throws at any other."""

RECIPES = {
    "full": {"method": "full"},
    "lora": {"method": "lora", "r": 4},
}


@pytest.fixture(scope="module", params=RECIPES)
def rehearsed(request, tmp_path_factory) -> Timeline:
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text(json.dumps(TINY_LLAMA | {"vocab_size": 32768}))
    return api.plan(str(folder), batch_size=4, seq_len=128, **RECIPES[request.param]).replay.timeline


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Up to 40 entries in up to 4 phases. Some blocks take nothing, some need most of a card."""
    blocks: list[Block] = []
    trace: list[int] = []
    alive: list[int] = []
    sizes = st.sampled_from([0, 1, 512, MIB, 9 * MIB, 20 * MIB]) | st.integers(0, 48 * MIB)
    for _ in range(draw(st.integers(0, 40))):
        if alive and draw(st.booleans()):
            trace.append(~alive.pop(draw(st.integers(0, len(alive) - 1))))
        else:
            alive.append(len(blocks))
            trace.append(len(blocks))
            blocks.append(
                Block(
                    bytes=draw(sizes),
                    category=draw(st.sampled_from(Category)),
                    component=draw(st.sampled_from(["", "ffn.down"])),
                    module=draw(st.sampled_from(["", "lm_head", "model.layers.0.mlp"])),
                    op=draw(st.sampled_from(["", "aten.mm"])),
                )
            )
    later = sorted(draw(st.lists(st.integers(0, len(trace)), max_size=3)))
    marks = [
        Mark(at=at, phase=draw(st.sampled_from(Phase)), step=step) for step, at in enumerate([0, *later])
    ]
    return Timeline(blocks=tuple(blocks), trace=tuple(trace), marks=tuple(marks))


def first(timeline: Timeline, entries: int) -> Timeline:
    """What had been recorded after so many entries."""
    marks = tuple(mark for mark in timeline.marks if mark.at <= entries)
    return replace(timeline, trace=timeline.trace[:entries], marks=marks)


def read_exactly(reader, found):
    """What a reader of torch prints, its numbers to the byte."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(viz, "_format_size", str)
        return reader(found)


def check_state(found, run: Replay, entries: int) -> None:
    """Torch's sums over segments and blocks are the levels after so many entries."""
    allocated, requested, reserved = (
        (0, *levels)[entries] for levels in (run.allocated, run.requested, run.reserved)
    )
    assert sum(viz.calc_active(segment) for segment in found["segments"]) == allocated
    assert sum(segment["allocated_size"] for segment in found["segments"]) == allocated
    assert sum(segment["requested_size"] for segment in found["segments"]) == requested
    said = dict(re.findall(r"^(\w+): (\d+)", read_exactly(viz.segsum, found), re.MULTILINE))
    assert int(said["segments"]) == len(found["segments"])
    assert int(said["total_reserved"]) == reserved
    assert int(said["total_allocated"]) == requested, "segsum counts what was asked for"
    assert int(said["total_free"]) == reserved - requested
    for segment in found["segments"]:
        assert sum(block["size"] for block in segment["blocks"]) == segment["total_size"]


def check_trace(found, run: Replay) -> None:
    """The running totals of the trace are the levels after every entry."""
    totals = {"requested": 0, "reserved": 0}
    after = [(0, 0)] * len(run.allocated)
    for entry in found["device_traces"][0]:
        kind, sign = SIGNS[entry["action"]]
        totals[kind] += sign * entry["size"]
        if entry["time_us"] < len(after):
            after[entry["time_us"]] = (totals["requested"], totals["reserved"])
    spoken = {entry["time_us"] for entry in found["device_traces"][0]}
    for index, levels in enumerate(zip(run.requested, run.reserved, strict=True)):
        if index not in spoken:  # a block of 0 bytes: the allocator is not asked
            after[index] = after[index - 1] if index else (0, 0)
        assert after[index] == levels


SIGNS = {
    "alloc": ("requested", 1),
    "free_requested": ("requested", 0),
    "free_completed": ("requested", -1),
    "segment_alloc": ("reserved", 1),
    "segment_map": ("reserved", 1),
    "segment_free": ("reserved", -1),
    "segment_unmap": ("reserved", -1),
    "oom": ("requested", 0),
}


def check_printed_trace(found, run: Replay) -> None:
    """`trace` names every block by its segment; what it prints adds up to the last levels."""
    text = read_exactly(viz.trace, found)
    if not found["device_traces"][0]:
        assert text == ""
        return
    assert f"{len(found['device_traces'][0])} entries" in text
    if run.expandable_segments:
        return  # torch's reader prints mappings as they are and cannot tell where a block lies
    assert " = MEM[" not in text, "a block lies in no segment"
    taken = re.findall(r" = \w+\[\d+:(\d+)\]$", text, re.MULTILINE)
    freed = re.findall(r"^# free completed for \w+ (\d+)$", text, re.MULTILINE)
    held = re.findall(r" = cudaMalloc\(\d+, (\d+)\)$", text, re.MULTILINE)
    given = re.findall(r"^cudaFree\(\w+\) # (\d+)$", text, re.MULTILINE)
    failed = run.out_of_memory
    assert added(taken) - added(freed) == (0, *run.requested)[-1]
    assert added(held) - added(given) == (failed.reserved_bytes if failed else (0, *run.reserved)[-1])
    assert ("OutOfMemoryError" in text) == (failed is not None)


def added(numbers: list[str]) -> int:
    return sum(map(int, numbers))


EXPANDABLE = pytest.mark.parametrize("expandable", [False, True], ids=["segments", "expandable"])


@EXPANDABLE
@given(timeline=timelines(), capacity=st.none() | st.integers(0, 128 * MIB), data=st.data())
@settings(max_examples=40, deadline=None)
def test_made_timelines(expandable, timeline, capacity, data):
    run = replay(timeline, capacity=capacity, expandable_segments=expandable)
    found = snapshot(run)
    check_trace(found, run)
    check_printed_trace(found, run)
    if run.out_of_memory is None:
        check_state(found, run, len(run.allocated))
    entries = data.draw(st.integers(0, len(run.allocated)))
    earlier = replay(first(timeline, entries), capacity=capacity, expandable_segments=expandable)
    check_state(snapshot(earlier), run, entries)
    at_peak = snapshot(run, at_peak=True)
    if run.peak_allocated_index is not None:
        check_state(at_peak, run, run.peak_allocated_index + 1)
        assert all(entry["time_us"] <= run.peak_allocated_index for entry in at_peak["device_traces"][0])
    assert pickle.loads(to_pickle(run)) == found


@EXPANDABLE
@pytest.mark.parametrize("limited", [False, True], ids=["endless", "limited"])
def test_rehearsed_models(rehearsed, expandable, limited):
    """Limited: a little less than what an endless device would have given, so that segments are freed."""
    endless = replay(rehearsed, expandable_segments=expandable)
    capacity = endless.peak_reserved_bytes - 2 * MIB if limited else None
    run = replay(rehearsed, capacity=capacity, expandable_segments=expandable)
    found = snapshot(run)
    actions = {entry["action"] for entry in found["device_traces"][0]}
    freed = {"segment_free", "segment_unmap"} & actions
    assert bool(freed) == limited, "the cache was given back"
    check_trace(found, run)
    check_printed_trace(found, run)
    check_state(snapshot(run, at_peak=True), run, run.peak_allocated_index + 1)
    for mark in rehearsed.marks[::2]:
        if mark.at <= len(run.allocated):
            earlier = replay(first(rehearsed, mark.at), capacity=capacity, expandable_segments=expandable)
            check_state(snapshot(earlier), run, mark.at)


def test_plots_carry_the_whole_snapshot(rehearsed):
    run = replay(rehearsed)
    found = snapshot(run)
    for page in (viz.trace_plot(found), viz.trace_plot(found, plot_segments=True), viz.segment_plot(found)):
        carried = re.search(r'"base64": "([^"]+)"', page)
        assert carried is not None
        assert pickle.loads(base64.b64decode(carried[1])) == found
    unfreed = viz.filter_alloc_free_pairs(copy.deepcopy(found))["device_traces"][0]
    allocated = [entry["size"] for entry in unfreed if entry["action"] == "alloc"]
    assert sum(allocated) == run.requested[-1]
    assert len([entry for entry in unfreed if entry["action"].startswith("free")]) == 0


def test_the_viewer_can_read_the_pickle(rehearsed):
    written = to_pickle(replay(rehearsed))
    used = {opcode.name for opcode, _, _ in pickletools.genops(written)}
    assert used <= OPCODES_OF_THE_VIEWER
    assert 2 <= PICKLE_PROTOCOL <= 4
    addresses = [entry["addr"] for entry in pickle.loads(written)["device_traces"][0]]
    assert 0 < min(addresses) <= max(addresses) < 2**53, "JavaScript's numbers"


def test_categories_and_the_one_that_the_viewer_needs(rehearsed):
    entries = snapshot(replay(rehearsed))["device_traces"][0]
    named = {entry["category"] for entry in entries if "category" in entry}
    assert "unknown" in named
    assert named - {"unknown"} <= {category.value for category in Category}
    assert {"weights", "gradients", "activations"} <= named


def test_stacks_tell_phase_category_modules_and_operator():
    block = Block(
        bytes=MIB,
        category=Category.ACTIVATIONS,
        component="ffn.down",
        module="model.layers.3.mlp",
        op="aten.mm",
    )
    weight = Block(bytes=512, category=Category.WEIGHTS)
    timeline = Timeline(
        blocks=(weight, block),
        trace=(0, 1),
        marks=(Mark(at=0, phase=Phase.LOAD, step=0), Mark(at=1, phase=Phase.FORWARD, step=2)),
    )
    found = snapshot(replay(timeline))
    lines = viz.memory(found, format_flamegraph=lambda lines: lines).splitlines()
    assert (
        "stream_0;active_allocated;step 2:0:forward;category:0:activations;component:0:ffn.down;model:0:model;"
        "model.layers:0:layers;model.layers.3:0:3;model.layers.3.mlp:0:aten.mm 1048576"
    ) in lines
    assert (
        "stream_0;active_allocated;before the first step:0:load;category:0:weights;no module:0:no operator 512"
    ) in lines
    assert sum(int(line.rsplit(" ", 1)[1]) for line in lines) == 2 * MIB, (
        "a flame graph is as wide as reserved"
    )


def test_out_of_memory_is_the_last_entry():
    """c10 records the free bytes of the device and the rounded request."""
    timeline = Timeline(
        blocks=tuple(Block(bytes=n, category=Category.GRADIENTS) for n in (30 * MIB, 12 * MIB + 1)),
        trace=(0, 1),
        marks=(Mark(at=0, phase=Phase.BACKWARD, step=1),),
    )
    found = snapshot(replay(timeline, capacity=40 * MIB))
    last = found["device_traces"][0][-1]
    assert (last["action"], last["device_free"], last["size"]) == ("oom", 10 * MIB, 12 * MIB + 512)
    assert "addr" not in last
    assert [entry["action"] for entry in snapshot(replay(timeline))["device_traces"][0]].count("oom") == 0


def test_phases_are_annotations():
    marks = (Mark(at=0, phase=Phase.LOAD, step=0), Mark(at=1, phase=Phase.FORWARD, step=1))
    blocks = (Block(bytes=1, category=Category.WEIGHTS), Block(bytes=2 * MIB, category=Category.ACTIVATIONS))
    run = replay(Timeline(blocks=blocks, trace=(0, 1, ~1), marks=marks))
    said = [(a["name"], a["stage"], a["time_us"]) for a in snapshot(run)["external_annotations"]]
    assert said == [
        ("load (before the first step)", "START", 0),
        ("load (before the first step)", "END", 1),
        ("forward (step 1)", "START", 1),
        ("forward (step 1)", "END", 3),
    ]
    assert snapshot(run, at_peak=True)["external_annotations"][-1]["time_us"] == 2


def test_an_empty_timeline():
    empty = Timeline(blocks=(), trace=(), marks=(Mark(at=0, phase=Phase.LOAD, step=0),))
    for at_peak in (False, True):
        found = snapshot(replay(empty), at_peak=at_peak)
        assert (found["segments"], found["device_traces"]) == ([], [[]])
        assert "total_reserved: 0.0B" in viz.segsum(found)


def test_equal_stacks_are_one_object(rehearsed):
    """Without this a file is some ten times as large."""
    run = replay(rehearsed)
    entries = snapshot(run)["device_traces"][0]
    kinds = {(e.block if e.born else None, e.phase, e.step) for e in rehearsed.events()}
    assert len({id(entry["frames"]) for entry in entries}) <= len(kinds) < len(entries)


def test_running_totals_can_fail(rehearsed):
    """A trace with one byte too many is found."""
    run = replay(rehearsed)
    found = snapshot(run)
    broken = copy.deepcopy(found)
    next(e for e in broken["device_traces"][0] if e["action"] == "alloc")["size"] += 1
    with pytest.raises(AssertionError):
        check_trace(broken, run)
