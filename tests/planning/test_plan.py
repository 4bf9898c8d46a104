"""The values of a plan and their contract."""

import json

from anatomy.planning.plan import steady_state

MIB = 1 << 20
CONTRACT = {
    "schema_version": None,
    "model": {"id", "origin", "model_type", "architecture"},
    "recipe": {"method", "r", "optimizer", "precision", "batch_size", "seq_len", "gradient_checkpointing"},
    "parameters": {"total", "trainable"},
    "peak": {"allocated_bytes", "reserved_bytes", "device_bytes", "phase", "module", "op"},
    "resting": {"load", "backward"},
    "breakdown": None,
    "fits": None,
    "assumptions": None,
    "not_modelled": None,
    "versions": {"torch"},
}


def test_json_contract(made_plan):
    data = made_plan.to_dict()
    for key, inner in CONTRACT.items():
        assert key in data
        if inner:
            assert inner <= data[key].keys()
    for entry in data["fits"]:
        assert {"gpu", "memory_bytes", "verdict", "headroom_bytes"} <= entry.keys()
    assert json.loads(json.dumps(data)) == data


def test_breakdown_adds_up_to_the_peak(made_plan):
    data = made_plan.to_dict()
    peak = data["peak"]["allocated_bytes"]
    assert peak == 160 * MIB
    assert sum(part["bytes"] for part in data["breakdown"]) == peak
    assert sum(part["bytes"] for part in data["breakdown_by_component"]) == peak


def test_three_numbers(made_plan):
    peak = made_plan.to_dict()["peak"]
    assert peak["device_bytes"] == peak["reserved_bytes"] + peak["context_bytes"] == (200 + 1024) * MIB


def test_steady_state_repeats_the_last_step(made_timeline):
    unlimited, notes = steady_state(made_timeline)
    assert unlimited.timeline.marks[-1].step == 3
    assert notes == ()


def test_steady_state_says_when_a_step_cannot_be_repeated(made_timeline):
    """A step that leaves something behind is not the next step as well."""
    from dataclasses import replace

    leaking = replace(made_timeline, trace=(0, 1, ~1, 2))
    unlimited, notes = steady_state(leaking)
    assert unlimited.timeline is leaking
    assert "only the recorded steps" in notes[0]
