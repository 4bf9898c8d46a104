"""What is said where there is a GPU: torch.cuda's functions stood in for, no GPU at work."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from families import make

import anatomy
from anatomy.hardware.catalog import lookup
from anatomy.integrations.measured import Meter, OnCuda
from anatomy.units import GIB

L4 = lookup("L4")
BATCH = {"input_ids": torch.ones(2, 32, dtype=torch.int64), "labels": torch.ones(2, 32, dtype=torch.int64)}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An L4 of which other processes and the context take what is not free."""
    counters = SimpleNamespace(free=4 * GIB, total=L4.memory_bytes, reserved=GIB, resets=0, peaks=(5, 7))
    standins = {
        "mem_get_info": lambda *_: (counters.free, counters.total),
        "memory_reserved": lambda *_: counters.reserved,
        "max_memory_allocated": lambda *_: counters.peaks[0],
        "max_memory_reserved": lambda *_: counters.peaks[1],
        "current_device": lambda: 0,
        "reset_peak_memory_stats": lambda *_: vars(counters).update(resets=counters.resets + 1),
    }
    for name, standin in standins.items():
        monkeypatch.setattr(torch.cuda, name, standin)
    here = SimpleNamespace(is_available=lambda: True, **standins)
    monkeypatch.setattr("anatomy.integrations.forecast.torch", SimpleNamespace(cuda=here))
    monkeypatch.setattr("anatomy.integrations.forecast.detect", lambda index: L4)
    return counters


def watched() -> Any:
    model = make("llama", "cpu").train()
    return anatomy.watch(model, torch.optim.AdamW(model.parameters()))


def test_headroom_is_what_the_allocator_can_still_get(gpu: SimpleNamespace) -> None:
    planned = watched().plan(**BATCH)
    assert planned.device == "L4"
    assert planned.room_bytes == 5 * GIB
    assert planned.headroom_bytes == 5 * GIB - planned.peak_reserved_bytes
    assert planned.out_of_memory is None
    assert planned.metrics()["memory/predicted_headroom_bytes"] == planned.headroom_bytes


def test_a_run_that_cannot_fit_says_where_it_ends(gpu: SimpleNamespace) -> None:
    gpu.free, gpu.reserved = 2**20, 2**20
    w = watched()
    planned = w.plan(**BATCH)
    assert planned.headroom_bytes < 0
    assert planned.out_of_memory is not None
    assert f"run out of memory {planned.out_of_memory.phase.value} of step" in str(w)


def test_another_gpu_by_name_leaves_this_one_out(gpu: SimpleNamespace) -> None:
    model = make("llama", "cpu").train()
    w = anatomy.watch(model, torch.optim.AdamW(model.parameters()), gpu="H100 NVL")
    planned = w.plan(**BATCH)
    assert (planned.device, planned.room_bytes, planned.headroom_bytes) == ("H100 NVL", None, None)


def test_the_difference_is_signed_and_shown(gpu: SimpleNamespace) -> None:
    w = watched()
    planned = w.plan(**BATCH)
    meter = Meter(torch.device("cuda"))
    assert gpu.resets == 1
    gpu.peaks = (planned.peak_allocated_bytes + 3 * 2**20, planned.peak_reserved_bytes - 2 * 2**20)
    gpu.free = gpu.total - planned.device_bytes
    seen = meter.read()
    assert isinstance(seen, OnCuda)
    difference = seen.difference(planned)
    assert difference.peak_allocated_bytes == -3 * 2**20, "too small is negative"
    assert difference.peak_reserved_bytes == 2 * 2**20
    assert difference.device_bytes == 0
    assert difference.metrics().keys().isdisjoint(seen.metrics() | planned.metrics())
    from anatomy.integrations.words import describe

    words = describe(planned, seen)
    assert "predicted - measured" in words
    assert "-3.00 MiB" in words
    assert "another quantity" not in words
