"""From records to figures, errors and bars."""

from dataclasses import replace

import pytest
from made_cells import VERSIONS, cell_record, made_validation, make_cell
from made_records import MIB, failed_record, predicted_timeline

from anatomy.memory.timeline import Timeline
from anatomy.profiling.measurement import Measurement
from anatomy.validation.bars import checks, passes
from anatomy.validation.scores import (
    GROUPS,
    PEAK,
    CellScore,
    Validation,
    everything,
    other_versions,
    safe_score,
    score,
)


def figures(found: CellScore) -> dict[str, tuple[int, int]]:
    return {f.name: (f.predicted_bytes // MIB, f.measured_bytes // MIB) for f in found.figures}


def test_figures_of_a_gpu():
    found = score(cell_record(make_cell("one")))
    assert figures(found)["peak allocated"] == (200, 204)
    assert figures(found)["device use"][0] == figures(found)["peak reserved"][0] + 290
    assert list(figures(found)) == [
        *("peak allocated", "peak reserved", "device use"),
        *(
            f"resting after {phase}"
            for phase in ("load", "forward", "backward", "optimizer step", "zero grad")
        ),
    ]
    assert figures(found)["resting after zero grad"] == (140, 140)
    assert found.worst_resting is not None
    assert found.worst_resting.bytes == 0
    assert (found.failure, found.not_scored, found.machine) == ("", "", "Example GPU")


def test_figures_of_a_cpu():
    found = score(cell_record(make_cell("one"), "cpu"))
    assert "peak reserved" not in figures(found)
    assert figures(found)["peak allocated"] == (200, 204)


def test_out_of_memory_is_a_failure_that_was_predicted_or_not():
    labels = make_cell("short").labels
    short = replace(failed_record(), labels=labels)
    assert score(short).failure.startswith(
        "out of memory in backward of step 1, in model.layers.0.mlp.down_proj"
    )
    assert score(short).failure.endswith("(predicted to fit)")
    tiny = replace(short.measurement, machine=replace(short.measurement.machine, memory_bytes=400 * MIB))
    assert score(replace(short, measurement=tiny)).failure.endswith("(as predicted)")


def test_a_damaged_record_is_a_failure():
    record = cell_record(make_cell("one"))
    broken = replace(record.prediction, timeline=Timeline(blocks=(), trace=(), marks=()))
    found = safe_score(replace(record, prediction=broken))
    assert found.failure == "The timeline does not begin with a phase."
    assert found.figures == ()


def test_what_counts():
    validation = made_validation()
    assert [s.cell.name for s in validation.cells] == ["one", "two", "exact", "short", "refused", "old"]
    errors = {s.cell.name: s.error for s in validation.scores if s.metric == PEAK}
    assert errors == {"one": -4 / 204, "two": -4 / 204, "exact": 0.0, "short": None, "refused": None}


def test_statistics_by_group():
    validation = made_validation()
    (found,) = validation.accuracy(PEAK, everything)
    assert (found.comparisons, found.failures) == (3, 2)
    assert found.median == found.p95 == pytest.approx(4 / 204)
    assert found.worst == pytest.approx(-4 / 204)
    assert found.bias == pytest.approx(-8 / 204 / 3)
    assert found.underestimates == pytest.approx(2 / 3)
    by_family = {a.group: a for a in validation.accuracy(PEAK, GROUPS["family"])}
    assert (by_family["bert"].worst, by_family["bert"].comparisons) == (0.0, 1)
    held = {a.group: a.comparisons for a in validation.accuracy(PEAK, GROUPS["held out"])}
    assert held == {"held out": 1, "not held out": 2}
    methods = {a.group: (a.comparisons, a.failures) for a in validation.accuracy(PEAK, GROUPS["method"])}
    assert methods == {"full": (3, 1), "lora": (0, 1)}


@pytest.mark.parametrize(
    ("measured", "says"),
    [
        (VERSIONS, ""),
        ({**VERSIONS, "torch": "2.13.1+cu130"}, ""),
        ({**VERSIONS, "torch": "2.12.0"}, "measured with torch 2.12.0, installed 2.13.0"),
        ({**VERSIONS, "transformers": "4.48.1"}, "measured with transformers 4.48.1, installed 5.23.0"),
        ({k: v for k, v in VERSIONS.items() if k != "peft"}, "measured with peft none, installed 0.21.2"),
    ],
)  # fmt: skip
def test_versions_are_compared_to_the_minor(measured, says):
    assert other_versions(measured, VERSIONS) == says


def of(*records) -> Validation:
    return Validation(title="t", cells=tuple(map(score, records)))


def test_bars_of_a_gpu_are_about_the_held_out_cells():
    off, held = cell_record(make_cell("off")), make_cell("held", hold_out=True)
    found = of(off, cell_record(held, observed=predicted_timeline()))
    allocated, reserved, device = checks(found)
    assert (allocated.cells, allocated.found, allocated.met) == ("held out", 0.0, True)
    assert (reserved.metric, reserved.met) == ("peak reserved", True)
    assert device.found == pytest.approx(
        10 / device_mib(found.cells[1])
    )  # the context, assumed 10 MiB too small
    other = of(cell_record(make_cell("exact"), observed=predicted_timeline()), cell_record(held))
    assert checks(other)[0].found == pytest.approx(4 / 204)
    assert not checks(other)[0].met
    assert not passes(other)


def device_mib(found: CellScore) -> int:
    figure = found.figure("device use")
    assert figure is not None
    return figure.measured_bytes // MIB


def test_bars_of_a_cpu_are_exact_between_phases():
    cell = make_cell("one", profile={"device": "cpu"})
    exact = of(cell_record(cell, "cpu", observed=predicted_timeline()))
    assert all(check.met for check in checks(exact))
    assert passes(exact)
    assert {check.at_most for check in checks(exact)} == {0.01, 0.0}
    scratch = of(cell_record(cell, "cpu"))
    assert [check.metric for check in checks(scratch) if not check.met] == ["peak allocated"]


def test_a_level_that_is_missed_by_a_byte_is_missed():
    cell = make_cell("one", profile={"device": "cpu"})
    record = cell_record(cell, "cpu", observed=predicted_timeline())
    last = record.measurement.phases[-1]
    shifted = replace(last, end_allocated_bytes=last.end_allocated_bytes + 1)
    measurement: Measurement = replace(record.measurement, phases=(*record.measurement.phases[:-1], shifted))
    found = of(replace(record, measurement=measurement))
    assert [check.metric for check in checks(found) if not check.met] == ["resting after zero grad"]
    assert not passes(found)


def test_what_failed_or_is_left_does_not_pass():
    exact = of(cell_record(make_cell("one"), observed=predicted_timeline(), context_bytes=290 * MIB))
    assert not passes(replace(exact, left=("two",)))
    assert not passes(made_validation())


def test_nothing_measured_meets_no_bar():
    assert not any(check.met for check in checks(Validation(title="t", cells=())))
