"""Predicted beside measured: signs, units, phases that do not pair up, and runs that ended early."""

from dataclasses import replace

import pytest
from made_records import (
    ACTIVATION,
    CUDA,
    DOWN,
    GRADIENT,
    MIB,
    WEIGHTS,
    failed_record,
    make_record,
    measured_timeline,
    predicted_timeline,
    readings,
    timeline,
)

from anatomy.memory.allocator import replay
from anatomy.memory.footprint import footprint
from anatomy.memory.timeline import Block, Category, Phase, Timeline
from anatomy.validation.comparison import compare
from anatomy.validation.difference import Difference


def test_differences_are_predicted_less_measured():
    found = compare(make_record())
    (peak,) = found.peaks
    assert (peak.name, peak.predicted_bytes, peak.measured_bytes) == ("allocated", 200 * MIB, 204 * MIB)
    assert peak.bytes == -4 * MIB
    assert peak.error == pytest.approx(-4 / 204)
    assert Difference(name="nothing", predicted_bytes=1, measured_bytes=0).error is None


def test_each_phase_of_each_step():
    found = compare(make_record())
    assert [(row.step, row.phase) for row in found.phases] == [
        (0, Phase.LOAD),
        *((step, phase) for step in (1, 2) for phase in _STEP),
    ]
    backward = found.phases[2]
    assert (backward.highest.predicted_bytes, backward.highest.measured_bytes) == (160 * MIB, 164 * MIB)
    assert backward.end.predicted_bytes == backward.end.measured_bytes == 120 * MIB
    assert [row.end.measured_bytes // MIB for row in found.levels] == [100, 180, 160, 160, 140]
    assert all(row.end_reserved is None for row in found.phases)


def test_instants_and_categories_are_each_sides_own():
    found = compare(make_record())
    assert (found.predicted_at.step, found.predicted_at.phase) == (2, Phase.BACKWARD)
    assert (found.measured_at.module, found.measured_at.op) == (DOWN, "aten.mm")
    rows = {row.name: (row.predicted_bytes // MIB, row.measured_bytes // MIB) for row in found.categories}
    assert rows == {
        "weights": (100, 100),
        "gradients": (20, 20),
        "optimizer states": (40, 40),
        "activations": (40, 40),
        "temporaries": (0, 4),
    }
    assert sum(row.predicted_bytes for row in found.categories) == found.peaks[0].predicted_bytes
    assert sum(row.measured_bytes for row in found.categories) == found.peaks[0].measured_bytes


def test_the_cpu_is_compared_in_requested_bytes():
    odd = Block(bytes=1001, category=Category.WEIGHTS, module="a", op="load")
    one = timeline([(Phase.LOAD, 0), odd, (Phase.FORWARD, 1), (Phase.BACKWARD, 1)])
    on_cpu = compare(make_record(predicted=one, observed=one))
    on_cuda = compare(make_record("cuda", predicted=one, observed=one))
    assert (on_cpu.unit, on_cpu.peaks[0].predicted_bytes) == ("requested", 1001)
    assert (on_cuda.unit, on_cuda.peaks[0].predicted_bytes) == ("allocator", 1024)
    assert on_cuda.categories[0].measured_bytes == 1024


def test_cuda_has_reserved_and_the_device_as_well():
    record = make_record("cuda")
    found = compare(record)
    reserved = footprint(record.prediction.timeline).peak_reserved_bytes
    assert [peak.name for peak in found.peaks] == ["allocated", "reserved", "device", "context"]
    assert found.peak("reserved").predicted_bytes == reserved
    assert found.peak("device").predicted_bytes == found.needed_bytes == reserved + 290 * MIB
    assert found.peak("device").measured_bytes == record.measurement.peak_device_bytes
    assert found.peak("context").bytes == -10 * MIB
    assert found.peak("rss") is None
    assert all(row.end_reserved and row.highest_reserved for row in found.phases)


def test_the_timeline_against_its_own_counters_has_no_difference():
    for kind in ("cpu", "cuda"):
        mine = predicted_timeline()
        found = compare(make_record(kind, observed=mine))
        figures = [row.end for row in found.phases] + [row.highest for row in found.phases]
        assert [figure.bytes for figure in (*figures, found.peaks[0], *found.categories)] == [0] * (
            len(figures) + 1 + len(found.categories)
        )
        assert found.notes == ()


def test_counters_win_and_the_disagreement_is_said():
    record = make_record()
    counted = [
        replace(r, peak_allocated_bytes=r.peak_allocated_bytes + (3 * MIB if r.step == 2 else 0))
        for r in record.measurement.phases
    ]
    found = compare(replace(record, measurement=replace(record.measurement, phases=tuple(counted))))
    assert found.peaks[0].measured_bytes == 207 * MIB
    (note,) = found.notes
    assert "the counters say up to 3.00 MiB more than the blocks that the profiler saw" in note
    assert sum(row.measured_bytes for row in found.categories) == 204 * MIB


def test_without_counters_or_without_profiler():
    record = make_record()
    no_counters = compare(make_record(phases=()))
    assert no_counters.peaks == compare(record).peaks
    assert "no counters were read" in no_counters.notes[0]
    blind = make_record(observed=Timeline(blocks=(), trace=(), marks=()), phases=record.measurement.phases)
    unwatched = compare(blind)
    assert unwatched.peaks == compare(record).peaks
    assert (unwatched.categories, unwatched.measured_at) == ((), None)
    assert "the profiler did not watch" in unwatched.notes[0]


def test_a_loss_that_only_one_side_knows_is_a_part_of_forward():
    logits = Block(bytes=30 * MIB, category=Category.LOGITS, module="lm_head", op="aten.log_softmax")

    def run(*, loss: bool) -> Timeline:
        marks = ((Phase.LOSS, 1), logits, (Phase.FORWARD, 1)) if loss else (logits,)
        return timeline(
            [(Phase.LOAD, 0), WEIGHTS, (Phase.FORWARD, 1), ACTIVATION, *marks, (Phase.BACKWARD, 1), GRADIENT]
        )

    together = compare(make_record(predicted=run(loss=True), observed=run(loss=False)))
    assert [row.phase for row in together.phases] == [Phase.LOAD, Phase.FORWARD, Phase.BACKWARD]
    assert together.phases[1].highest.predicted_bytes == 170 * MIB
    assert all(row.end.bytes == row.highest.bytes == 0 for row in together.phases)
    apart = compare(make_record(predicted=run(loss=True), observed=run(loss=True)))
    assert Phase.LOSS in [row.phase for row in apart.phases]


def test_more_measured_steps_than_rehearsed_repeat_the_last():
    record = make_record()
    third = [replace(r, step=3) for r in record.measurement.phases if r.step == 2]
    longer = replace(record.measurement, phases=(*record.measurement.phases, *third))
    found = compare(replace(record, measurement=longer))
    assert {row.step for row in found.phases} == {0, 1, 2, 3}
    steps = {
        step: [row.highest.predicted_bytes for row in found.phases if row.step == step] for step in (2, 3)
    }
    assert steps[2] == steps[3]


def test_a_phase_that_was_not_predicted_is_said():
    record = make_record()
    extra = replace(record.measurement.phases[-1], phase=Phase.CLIP)
    longer = replace(record.measurement, phases=(*record.measurement.phases, extra))
    found = compare(replace(record, measurement=longer))
    assert found.notes == ("measured but not predicted, hence not compared: clip of step 2",)


def test_of_a_failed_run_what_was_finished_is_compared():
    found = compare(failed_record())
    assert [(row.step, row.phase) for row in found.phases] == [(0, Phase.LOAD), (1, Phase.FORWARD)]
    allocated = found.peak("allocated")
    # The predicted forward has a temporary of 10 MiB more.
    assert (allocated.predicted_bytes, allocated.measured_bytes) == (150 * MIB, 140 * MIB)
    assert found.predicted_at.phase is Phase.FORWARD


def test_the_prediction_on_a_card_that_is_too_small():
    record = make_record("cuda", machine=replace(CUDA, memory_bytes=(290 + 190) * MIB))
    found = compare(record)
    assert (found.out_of_memory.phase, found.out_of_memory.step) == (Phase.BACKWARD, 2)
    assert found.peak("allocated").predicted_bytes == 200 * MIB
    assert "predicted figures are those of a device without a limit" in found.notes
    assert compare(make_record("cuda")).out_of_memory is None


def test_where_the_cache_has_to_be_given_back_the_card_is_replayed():
    """40 MiB come and go, then 60 are wanted: without a limit 100 are held, on a card of 70 the cache goes back."""
    small = Block(bytes=40 * MIB, category=Category.TEMPORARIES, module="a", op="aten.mul")
    large = Block(bytes=60 * MIB, category=Category.ACTIVATIONS, module="a", op="aten.mm")
    run = timeline([(Phase.LOAD, 0), (Phase.FORWARD, 1), small, "free temporaries", large])
    assert replay(run).peak_reserved_bytes == 100 * MIB
    record = make_record(
        "cuda", predicted=run, observed=run, machine=replace(CUDA, memory_bytes=(290 + 70) * MIB)
    )
    found = compare(record)
    assert found.peak("reserved").predicted_bytes == 60 * MIB
    assert "predicted to give cached memory back 1 times" in found.notes


def test_json_is_plain_and_adds_up():
    import json

    data = json.loads(json.dumps(compare(make_record("cuda")).to_dict()))
    for figure in (*data["peaks"].values(), *data["categories"]):
        assert figure["difference_bytes"] == figure["predicted_bytes"] - figure["measured_bytes"]
    assert data["phases"][0]["phase"] == "load"
    assert sum(row["measured_bytes"] for row in data["categories"]) == 204 * MIB


def test_readings_of_the_fixture_are_its_timelines():
    """The hand-made counters are no second truth."""
    assert max(r.peak_allocated_bytes for r in readings(measured_timeline(), cuda=True)) == 204 * MIB


_STEP = (Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER, Phase.ZERO_GRAD)
