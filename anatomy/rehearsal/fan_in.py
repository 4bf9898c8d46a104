"""Gradients that meet in one tensor: who holds the old one, and whether it can be added to in place."""

from functools import lru_cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


def holders(tensor: torch.Tensor) -> tuple[int, int]:
    """References to a tensor, and to its storage."""
    return tensor._use_count(), torch._C._storage_Use_Count(tensor.untyped_storage()._cdata)


def is_dense(tensor: torch.Tensor) -> bool:
    """is_non_overlapping_and_dense: some order of the dimensions is contiguous."""
    expected = 1
    for stride, size in sorted((s, n) for s, n in zip(tensor.stride(), tensor.shape, strict=True) if n != 1):
        if stride != expected:
            return False
        expected *= size
    return True


@lru_cache(maxsize=1)
def sole_holders() -> tuple[int, int]:
    """Reference counts that a dispatch mode sees for a gradient that only autograd holds.

    The dispatcher and the Python binding hold references of their own, how many depends on torch's version: so
    it is read off a sum in which the old gradient certainly has no other owner.
    """
    seen: list[tuple[int, int]] = []

    class Probe(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.ops.aten.add.Tensor and torch._C._current_autograd_node() is not None:
                seen.append(holders(args[0]))
            return func(*args, **(kwargs or {}))

    with torch.enable_grad():
        leaf = torch.empty(2, 2, device="meta", requires_grad=True)
        fan_out = leaf * 1
        total = fan_out * 2 + fan_out * 3
        with Probe():
            torch.autograd.backward(total, torch.empty(2, 2, device="meta"))
    return seen[0]
