"""What a device does that the meta device does not: a table, each row with its reason.

The rows are installed while a rehearsal runs and taken away after it; they touch meta tensors only.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.library import Library

from anatomy.rehearsal import bitsandbytes_cuda, cublas, workspaces
from anatomy.rehearsal.attention import cpu_attention, cuda_attention, flash_attention_2
from anatomy.rehearsal.autocast import meta_autocast


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The device that the rehearsal stands for."""

    name: str = "cuda"
    """'cuda', or 'cpu' for checking a rehearsal against real CPU tensors."""
    capability: tuple[int, int] = (8, 0)
    """CUDA compute capability; (8, 0) is an A100."""
    multiprocessors: int = 108
    """Number of streaming multiprocessors; an A100 has 108."""


@dataclass(kw_only=True)
class Stage:
    """What a rehearsal's device has been seen to do."""

    target: Target
    kernels_used: dict[str, None] = field(default_factory=dict)
    """Attention kernels that were chosen, in order."""
    paged_bytes: int = 0
    """Optimizer states that a paged optimizer keeps in unified memory."""
    _warm: set[bool] = field(default_factory=set)

    def before(self, op: str, in_backward: bool) -> Iterable[tuple[int, str]]:
        """cuBLAS workspaces: one for the thread of forward and one for that of backward, kept for good."""
        if self.target.name != "cuda" or op not in _GEMMS or in_backward in self._warm:
            return ()
        self._warm.add(in_backward)
        return [(cublas.workspace_bytes(self.target.capability), "cublas workspace")]

    def scratch(self, op: str, args: Any, kwargs: Any, out: Any) -> Iterable[tuple[int, str]]:
        """Scratch that `op`'s kernel takes from the allocator and gives back before it returns."""
        if self.target.name != "cuda":
            return ()
        taken = workspaces.scratch(
            op,
            args,
            kwargs,
            out,
            capability=self.target.capability,
            multiprocessors=self.target.multiprocessors,
        )
        return [(block.bytes, block.why) for block in taken]

    def expansion(self, func: Any) -> Callable[..., Any] | None:
        """The program of smaller operators that `func`'s CUDA kernel really is, if it is one."""
        if self.target.name != "cuda":
            return None
        return bitsandbytes_cuda.expansions(self.target).get(func)


_GEMMS = frozenset({"aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm", "aten.addmv", "aten.dot", "aten.mv"})


@contextmanager
def acting(stage: Stage) -> Iterator[None]:
    """While active, meta tensors are treated as the target treats its own."""
    with ExitStack() as stack:
        library = Library("aten", "IMPL")
        stack.callback(library._destroy)
        cuda = stage.target.name == "cuda"
        used = stage.kernels_used
        attention = cuda_attention(stage.target.capability, used) if cuda else cpu_attention(used)
        library.impl("scaled_dot_product_attention", attention, "AutogradMeta")
        if cuda:
            for name, kernel in _CUDA_KERNELS.items():
                library.impl(name, kernel, "AutogradMeta")
            stack.enter_context(flash_attention_2(stage.kernels_used))
            stack.enter_context(meta_autocast())
            stack.enter_context(_multi_tensor_optimizers())
        yield


def _dropout(tensor: torch.Tensor, p: float, train: bool) -> torch.Tensor:
    """at::dropout: the fused kernel keeps a one-byte mask (Dropout.cpp, is_fused_kernel_acceptable)."""
    if p == 0 or not train or tensor.numel() == 0:
        return tensor
    if p == 1:
        return tensor * torch.zeros_like(tensor)
    return torch.ops.aten.native_dropout(tensor, p, True)[0]


def _softmax(tensor: torch.Tensor, dim: int, dtype: torch.dtype | None = None) -> torch.Tensor:
    """at::softmax: from fp16 to fp32 in one kernel, without an fp32 copy of the input (SoftMax.cpp)."""
    if tensor.dtype == torch.float16 and dtype == torch.float32:
        return torch.ops.aten._softmax(tensor, dim, True)
    return torch.ops.aten._softmax(tensor if dtype is None else tensor.to(dtype), dim, False)


def _log_softmax(tensor: torch.Tensor, dim: int, dtype: torch.dtype | None = None) -> torch.Tensor:
    """at::log_softmax: as softmax."""
    if tensor.dtype == torch.float16 and dtype == torch.float32:
        return torch.ops.aten._log_softmax(tensor, dim, True)
    return torch.ops.aten._log_softmax(tensor if dtype is None else tensor.to(dtype), dim, False)


_CUDA_KERNELS: dict[str, Callable[..., torch.Tensor]] = {
    "dropout": _dropout,
    "softmax.int": _softmax,
    "log_softmax.int": _log_softmax,
}


@contextmanager
def _multi_tensor_optimizers() -> Iterator[None]:
    """Optimizers and gradient clipping choose foreach and fused kernels by device: as for CUDA."""
    import torch.optim.optimizer as optim
    from torch.utils import _foreach_utils

    names = ("_get_foreach_kernels_supported_devices", "_get_fused_kernels_supported_devices")
    originals = {(m, n): getattr(m, n) for m in (_foreach_utils, optim) for n in names}
    for (module, name), original in originals.items():
        setattr(module, name, lambda original=original: [*original(), "meta"])
    try:
        yield
    finally:
        for (module, name), original in originals.items():
            setattr(module, name, original)
