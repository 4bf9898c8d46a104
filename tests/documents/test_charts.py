"""Charts: what pictures show adds up, and is what the tables and JSON say."""

import json
from dataclasses import replace

import pytest
from made_cells import made_validation
from made_timelines import TINY_CONFIGS, tiny_plan

from anatomy import api
from anatomy.documents.charts_of import (
    accuracy_of,
    breakdown_of,
    comparison_breakdown,
    published_accuracy,
    timeline_of,
    treemap_of,
)
from anatomy.errors import RecipeError
from anatomy.hardware.catalog import lookup


def test_a_timeline_is_the_step_of_the_peak_and_names_it():
    plan = tiny_plan("dense", "lora")
    chart = timeline_of(plan)
    assert {span.mark.step for span in chart.spans} == {plan.footprint.instant.step}
    assert chart.columns[chart.peak_column].allocated_bytes == plan.footprint.peak_allocated_bytes
    assert plan.peak_words in chart.scene.peak_words
    for column in chart.columns:
        assert sum(size for _, size in chart.parts(column)) == column.allocated_bytes <= column.reserved_bytes


def test_the_whole_run_has_every_phase_and_its_resting_levels():
    plan = tiny_plan("dense")
    chart = timeline_of(plan, whole=True)
    assert {s.mark.step for s in chart.spans} == {m.step for m in plan.replay.timeline.marks}
    assert set(plan.footprint.resting.values()) <= {rest.allocated_bytes for _, rest in chart.rests}
    assert all(chart.sampled.columns[at].stop > rest.index for at, rest in chart.rests)


def test_the_peak_column_is_none_where_the_peak_is_elsewhere():
    chart = timeline_of(tiny_plan("dense"))
    start = chart.sampled.start
    early = replace(chart, sampled=replace(chart.sampled, stop=start + 1, columns=chart.columns[:1]))
    assert early.peak_column is None


@pytest.mark.parametrize("columns", [1, 7, 50, 320, 5000])
def test_another_number_of_columns_keeps_the_peak(columns):
    chart = timeline_of(tiny_plan("moe")).resampled(columns)
    assert len(chart.columns) == columns
    assert max(column.allocated_bytes for column in chart.columns) == chart.scene.peak_bytes


def test_the_card_is_the_asked_one_else_the_smallest_that_will_do():
    plan = tiny_plan("dense")
    asked = timeline_of(plan, "H100 80GB SXM").scene
    gpu = lookup("H100 80GB SXM")
    assert (asked.capacity_name, asked.capacity_bytes) == (gpu.name, gpu.memory_bytes - gpu.context_bytes)
    assert timeline_of(plan).scene.capacity_name == plan.smallest_fit.gpu
    with pytest.raises(RecipeError):
        timeline_of(plan, "Voodoo 2")


def test_a_timeline_as_json_has_the_plans_numbers():
    plan = tiny_plan("t5")
    data = json.loads(json.dumps(timeline_of(plan, columns=40).to_dict()))
    assert data["peak"]["bytes"] == plan.to_dict()["peak"]["allocated_bytes"]
    assert all(sum(c["parts"]) == c["allocated_bytes"] for c in data["columns"])
    at = data["columns"][data["peak"]["column"]]
    whole = {row["category"]: row["bytes"] for row in plan.to_dict()["breakdown"]}
    assert {n: b for n, b in zip(data["categories"], at["parts"], strict=True) if b} == whole
    assert [s["first"] for s in data["spans"]] == [0, *(s["last"] for s in data["spans"][:-1])]
    assert len(data["columns"]) == 40 == data["spans"][-1]["last"]


def test_bars_are_the_peaks_smallest_first():
    plans = [tiny_plan("dense"), tiny_plan("dense", "lora")]
    chart = breakdown_of(*plans)
    assert [bar.total_bytes for bar in chart.bars] == sorted(
        plan.footprint.peak_allocated_bytes for plan in plans
    )
    for row in chart.to_dict()["bars"]:
        assert sum(row["parts"]) == row["allocated_bytes"] <= row["reserved_bytes"] < row["device_bytes"]


def test_a_comparisons_bars_are_its_rows(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(TINY_CONFIGS["dense"]))
    found = api.compare(
        str(tmp_path), methods=["lora", "full"], optimizers=["sgd", "adamw_torch"], precisions=["bf16"],
        gpu="RTX 4090", batch_size=2, seq_len=32,
    )  # fmt: skip
    chart = comparison_breakdown(found)
    records = found.to_records()
    assert [bar.total_bytes for bar in chart.bars] == [row["allocated_bytes"] for row in records]
    assert [bar.label for bar in chart.bars] == [f"{row['method']}, {row['optimizer']}" for row in records]
    for bar, row in zip(chart.bars, records, strict=True):
        assert {f"{c.value.replace(' ', '_')}_bytes": n for c, n in bar.parts if n} == {
            f"{c.value.replace(' ', '_')}_bytes": row[f"{c.value.replace(' ', '_')}_bytes"]
            for c in chart.categories
            if row[f"{c.value.replace(' ', '_')}_bytes"]
        }
    assert chart.capacity_name == "RTX 4090"
    assert not chart.left_out


@pytest.mark.parametrize("name", TINY_CONFIGS)
def test_tiles_add_up_at_every_level(name, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(TINY_CONFIGS[name]))
    anatomy = api.show(str(tmp_path))
    chart = treemap_of(anatomy)
    assert chart.total == anatomy.total == sum(count for _, count in chart.by_component)
    for tile in chart.root.walk():
        assert not tile.children or sum(child.parameters for child in tile.children) == tile.parameters
        assert tile.parameters > 0
    folded = [tile.label for tile in chart.root.walk() if tile.times == 2]
    # The first block of T5 has the relative positions that the second shares, so that they are not alike.
    assert folded == ([] if name == "t5" else ["layers.0-1"])


def test_accuracy_has_every_scored_figure_and_says_what_has_none():
    found = made_validation()
    chart = accuracy_of(found)
    assert [(p.label, p.predicted_bytes, p.measured_bytes) for p in chart.points] == [
        (s.cell.name, s.peak.predicted_bytes, s.peak.measured_bytes)
        for s in found.cells
        if s.peak and not s.not_scored
    ]
    assert {label for label, _ in chart.left_out} == {"short", "refused", "old"}
    assert all(why for _, why in chart.left_out)
    assert (chart.within(0.01), chart.within(0.05)) == (1, 3)
    assert "1 within 1 % and 3 within 5 %" in chart.words


def test_published_figures_are_read_as_they_are_kept():
    line = {"id": "a", "source": "owner/name@1: table 2", "method": "lora", "figure": "peak reserved",
            "predicted_bytes": 95, "measured_bytes": 100, "failure": ""}  # fmt: skip
    lines = [line, {**line, "predicted_bytes": None, "failure": "refused"}]
    for study in ({"comparisons": lines}, {"scored": lines, "shown": [line]}):
        chart = published_accuracy(study)
        (point,) = chart.points
        assert (point.family, point.error) == ("owner/name", -0.05)
        assert chart.left_out == (("a, peak reserved", "refused"),)
