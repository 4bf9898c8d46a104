"""What a device does that the meta device does not: a table, each row with its reason.

The rows are installed while a rehearsal runs and taken away after it; they touch meta tensors only.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.library import Library

from anatomy.rehearsal.kernels import bitsandbytes_cuda, cublas, workspaces
from anatomy.rehearsal.kernels.attention import cpu_attention, cuda_attention, flash_attention_2
from anatomy.rehearsal.kernels.autocast import meta_autocast
from anatomy.rehearsal.kernels.fp8_cuda import own_products
from anatomy.rehearsal.kernels.host_stash import stashing
from anatomy.rehearsal.kernels.kernel_packages import kernel_packages
from anatomy.rehearsal.kernels.optimizers_cuda import device_calls


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
    unknown: dict[str, str] = field(default_factory=dict)
    """Operators that ran and whose scratch is not known, with the reason."""
    paged: tuple[int, int] = (0, 0)
    """Optimizer states in unified memory: bytes of all, and the most that one parameter has."""
    _cublas: cublas.Workspaces = field(init=False)

    def __post_init__(self) -> None:
        self._cublas = cublas.Workspaces(self.target.capability, cublas.version_pair(torch.__version__))

    @property
    def workspaces_taken(self) -> frozenset[tuple[str, bool]]:
        """The workspaces that are there by now."""
        return self._cublas.taken

    def next(self) -> "Stage":
        """A stage for what runs on the same device afterwards: workspaces are there, nothing has been seen."""
        stage = Stage(target=self.target)
        stage._cublas.keep(self.workspaces_taken)
        return stage

    @property
    def on_host(self) -> bool:
        """Whether what libraries put on the host (step counters, generator states) is this device's memory."""
        return self.target.name == "cpu"

    def before(self, op: str, in_backward: bool) -> Iterable[tuple[int, str]]:
        """Workspaces that the first use of `op` in its thread takes and keeps."""
        return self._cublas.before(op, in_backward) if self.target.name == "cuda" else ()

    def scratch(self, op: str, args: Any, kwargs: Any, out: Any) -> Iterable[tuple[int, str]]:
        """Scratch that `op`'s kernel takes from the allocator and gives back before it returns."""
        if self.target.name != "cuda":
            return ()
        reason = workspaces.unknown_scratch(op)
        if reason is not None:
            self.unknown[op] = reason
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
            stack.enter_context(device_calls())
            stack.enter_context(kernel_packages(stage.target))
        stack.enter_context(meta_autocast(cuda=cuda))
        stack.enter_context(stashing())
        stack.enter_context(bitsandbytes_cuda.own_kernels(stage.target))
        stack.enter_context(own_products())
        stack.enter_context(_multi_tensor_kernels(by_default=cuda))
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


class _FusedRmsNorm(torch.autograd.Function):
    """One kernel that keeps its input and one fp32 number a row for backward."""

    @staticmethod
    def forward(
        ctx: Any, tensor: torch.Tensor, shape: list[int], weight: torch.Tensor | None
    ) -> torch.Tensor:
        rows = tensor.shape[: tensor.dim() - len(shape)]
        scale = torch.empty((*rows, *(1 for _ in shape)), dtype=torch.float32, device=tensor.device)
        ctx.save_for_backward(tensor, weight, scale)
        ctx.shape = shape
        return torch.empty_like(tensor)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, None, torch.Tensor | None]:
        tensor, weight, scale = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[2]]
        grads = torch.ops.aten._fused_rms_norm_backward(grad, tensor, ctx.shape, scale, weight, wanted)
        return grads[0], None, grads[1]


def _rms_norm(
    tensor: torch.Tensor, shape: list[int], weight: torch.Tensor | None = None, eps: float | None = None
) -> torch.Tensor:
    """at::rms_norm: fused unless the weight has another dtype (layer_norm.cpp, rms_norm_symint)."""
    if workspaces.fused_rms_norm(tensor.dtype, None if weight is None else weight.dtype):
        return _FusedRmsNorm.apply(tensor, shape, weight)
    wide = tensor.float()
    normed = wide * torch.rsqrt(wide.pow(2).mean(tuple(range(-len(shape), 0)), keepdim=True) + (eps or 0.0))
    return (normed if weight is None else normed * weight).to(tensor.dtype)


_CUDA_KERNELS: dict[str, Callable[..., torch.Tensor]] = {
    "dropout": _dropout,
    "softmax.int": _softmax,
    "log_softmax.int": _log_softmax,
    "rms_norm": _rms_norm,
}


@contextmanager
def _multi_tensor_kernels(*, by_default: bool) -> Iterator[None]:
    """Optimizers and gradient clipping choose foreach and fused kernels by device.

    CUDA and the CPU have both; an optimizer that was not told takes foreach on CUDA only (`by_default`).
    """
    import torch.optim.optimizer as optim
    from torch.utils import _foreach_utils

    foreach, fused = "_get_foreach_kernels_supported_devices", "_get_fused_kernels_supported_devices"
    places = [(_foreach_utils, foreach), (_foreach_utils, fused), (optim, fused)]
    if by_default:
        places.append((optim, foreach))
    originals = {(module, name): getattr(module, name) for module, name in places}
    for (module, name), original in originals.items():
        setattr(module, name, lambda original=original: [*original(), "meta"])
    try:
        yield
    finally:
        for (module, name), original in originals.items():
            setattr(module, name, original)
