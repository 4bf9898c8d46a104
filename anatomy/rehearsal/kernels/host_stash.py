"""Activations that wait in the host's memory: torch's `save_on_cpu`, for tensors that hold nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks


class SaveOnHost(saved_tensors_hooks):
    """Leaves no block on the device until backward asks, and then a contiguous one, as the copy back is.

    torch/autograd/graph.py, save_on_cpu. Pinned copies run on the compute stream: what was copied can go at once.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: torch.Tensor) -> tuple[torch.Size, torch.dtype, torch.device]:
            return tensor.size(), tensor.dtype, tensor.device

        def unpack(packed: tuple[torch.Size, torch.dtype, torch.device]) -> torch.Tensor:
            size, dtype, device = packed
            return torch.empty(size, dtype=dtype, device=device)

        super().__init__(pack, unpack)


@contextmanager
def stashing() -> Iterator[None]:
    """While active, transformers' offloaded checkpoints keep their inputs so."""
    import transformers.modeling_utils as used

    found: Any = getattr(used, "save_on_cpu", None)
    if found is None:  # a transformers that cannot offload
        yield
        return
    used.save_on_cpu = SaveOnHost
    try:
        yield
    finally:
        used.save_on_cpu = found
