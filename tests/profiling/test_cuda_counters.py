"""What is read off a GPU, with torch.cuda's answers in the forms that its source gives them."""

from types import SimpleNamespace

import pytest
import torch

from anatomy.memory.timeline import Phase
from anatomy.profiling import allocator_trace, machine
from anatomy.profiling.counters import CudaCounters
from anatomy.profiling.measure import _context
from anatomy.profiling.measurement import Machine


class Gpu:
    """torch.cuda's counters for one device of 1,000 bytes, 100 of them the context's."""

    def __init__(self, monkeypatch):
        self.allocated = self.reserved = self.peak_allocated = self.peak_reserved = 0
        monkeypatch.setattr(torch.cuda, "memory_stats", self.stats)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (900 - self.reserved, 1000))
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", self.reset)

    def take(self, size):
        self.allocated += size
        self.reserved = max(self.reserved, self.allocated)
        self.peak_allocated = max(self.peak_allocated, self.allocated)
        self.peak_reserved = max(self.peak_reserved, self.reserved)

    def reset(self):
        self.peak_allocated, self.peak_reserved = self.allocated, self.reserved

    def stats(self):
        return {
            "allocated_bytes.all.current": self.allocated,
            "allocated_bytes.all.peak": self.peak_allocated,
            "reserved_bytes.all.current": self.reserved,
            "reserved_bytes.all.peak": self.peak_reserved,
        }


def test_each_reading_covers_the_phase_that_ended(monkeypatch):
    gpu = Gpu(monkeypatch)
    counters = CudaCounters()
    gpu.take(100)
    counters.enter(Phase.FORWARD, 1)
    gpu.take(300)
    gpu.take(-250)
    counters.enter(Phase.BACKWARD, 1)
    gpu.take(40)
    counters.close()
    rows = [
        (
            r.step,
            r.phase,
            r.end_allocated_bytes,
            r.peak_allocated_bytes,
            r.end_reserved_bytes,
            r.peak_reserved_bytes,
            r.device_used_bytes,
        )
        for r in counters.readings
    ]
    assert rows == [
        (0, Phase.LOAD, 100, 100, 100, 100, 200),
        (1, Phase.FORWARD, 150, 400, 400, 400, 500),
        (1, Phase.BACKWARD, 190, 190, 400, 400, 500),
    ]
    assert _context(counters.readings, 0) == 100
    assert _context(counters.readings, 30) == 70
    assert _context([], 0) is None


# Entries as torch/csrc/cuda/memory_snapshot.cpp writes them (traceEntryToDict).
ENTRIES = [
    {"action": "segment_alloc", "addr": 0x7F00, "size": 2097152, "stream": 0, "time_us": 1000, "frames": []},
    {"action": "alloc", "addr": 0x7F00, "size": 300, "stream": 0, "time_us": 1001, "frames": []},
    {"action": "free_requested", "addr": 0x7F00, "size": 300, "stream": 0, "time_us": 1005, "frames": []},
    {"action": "free_completed", "addr": 0x7F00, "size": 300, "stream": 0, "time_us": 1005, "frames": []},
    {"action": "alloc", "addr": 0x7F00, "size": 500, "stream": 0, "time_us": 1009, "frames": []},
    {"action": "oom", "size": 10**12, "stream": 0, "device_free": 7, "time_us": 1010, "frames": []},
]


def test_the_allocators_history_in_columns():
    trace = allocator_trace.trace_of(ENTRIES)
    assert trace.actions == tuple(entry["action"] for entry in ENTRIES)
    assert trace.sizes == (2097152, 300, 300, 300, 500, 10**12)
    assert allocator_trace.requested(trace) == {0x7F00: [300, 500]}
    assert allocator_trace.trace_of([]).actions == ()


def test_the_history_is_asked_for_without_stacks(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda.memory, "_record_memory_history", lambda **options: asked.append(options))
    monkeypatch.setattr(torch.cuda.memory, "_snapshot", lambda: {"device_traces": [ENTRIES]})
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    allocator_trace.start()
    assert allocator_trace.stop().sizes[-1] == 10**12
    assert asked[0]["context"] is None
    assert asked[1] == {"enabled": None}


@pytest.mark.parametrize(("said", "used"), [("512", 512 * 2**20), (None, 0), ("[N/A]", 0)])
def test_what_was_in_use_before(monkeypatch, said, used):
    monkeypatch.setattr(machine, "nvidia_smi", lambda field: said)
    assert machine.used_before_bytes() == used


def test_a_rehearsal_stands_for_the_machine():
    gpu = Machine(kind="cuda", name="X", memory_bytes=1, capability=(9, 0), multiprocessors=132)
    assert machine.target_of(gpu).name == "cuda"
    assert machine.target_of(gpu).capability == (9, 0)
    assert machine.target_of(gpu).multiprocessors == 132
    assert machine.target_of(Machine(kind="cpu", name="X", memory_bytes=1)).name == "cpu"


def test_hidden_gpus_are_not_asked_for(monkeypatch):
    asked = []

    def run(command, **_):
        asked.append(command[-1])
        return SimpleNamespace(stdout="4\n")

    monkeypatch.setattr(machine.shutil, "which", lambda program: f"/bin/{program}")
    monkeypatch.setattr(machine.subprocess, "run", run)
    for visible, said in ((None, "4"), ("3,1", "4"), ("GPU-5c2f", "4"), ("", None), ("-1", None)):
        if visible is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert machine.nvidia_smi("memory.used") == said
    assert asked == ["0", "3", "GPU-5c2f"]
