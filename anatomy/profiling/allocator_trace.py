"""torch.cuda.memory's own history: every request to the CUDA caching allocator and every segment it took or returned.

Source of the entries' fields: torch/cuda/_memory_viz.py and torch/csrc/cuda/memory_snapshot.cpp.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from anatomy.profiling.measurement import AllocatorTrace

MOST_ENTRIES = 4_000_000
"""Kept by torch at most, the last ones; a step of the largest models makes some 100,000."""


def start() -> None:
    """Begin to write the history, without stacks: they would slow the run and fill the memory of the host."""
    import torch

    torch.cuda.memory._record_memory_history(enabled="all", context=None, max_entries=MOST_ENTRIES)


def stop() -> AllocatorTrace:
    """End the history and return it."""
    import torch

    snapshot = torch.cuda.memory._snapshot()
    torch.cuda.memory._record_memory_history(enabled=None)
    return trace_of(snapshot["device_traces"][torch.cuda.current_device()])


def trace_of(entries: Iterable[Mapping[str, Any]]) -> AllocatorTrace:
    """One device's entries of a snapshot, in columns. Stacks and times are left out: an entry's place says enough."""
    rows = [(e["action"], e.get("addr", 0), e.get("size", 0)) for e in entries]
    actions, addresses, sizes = zip(*rows, strict=True) if rows else ((), (), ())
    return AllocatorTrace(actions=actions, addresses=addresses, sizes=sizes)


def requested(trace: AllocatorTrace) -> Mapping[int, Sequence[int]]:
    """Address -> the sizes that were asked for there, in order."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for action, address, size in zip(trace.actions, trace.addresses, trace.sizes, strict=True):
        if action == "alloc":
            found[address].append(size)
    return found
