"""bitsandbytes on CUDA, for meta tensors: kernels that are small programs, and states that live off the device."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from anatomy.rehearsal.kernels import int8_cuda
from anatomy.training.optimizers.in_backward import held_by
from anatomy.training.quantized.base import code_books

if TYPE_CHECKING:
    from anatomy.rehearsal.cuda import Target


def import_quietly() -> None:
    """Import bitsandbytes, where it is installed, without preparing compiled kernels for other devices.

    At import it passes its fallback kernels to torch.compile, which imports torch._inductor: a second of CPU time
    for code that no rehearsal runs. The kernels stay usable, uncompiled.
    """
    if "bitsandbytes" in sys.modules or find_spec("bitsandbytes") is None:
        return
    compile_ = torch.compile
    torch.compile = lambda function=None, **_: function if function is not None else (lambda f: f)
    try:
        import bitsandbytes  # noqa: F401
    finally:
        torch.compile = compile_


@contextmanager
def own_code_books() -> Iterator[None]:
    """bitsandbytes keeps code books on the device that first asked: none from before are there, none stay after.

    Else an earlier run's would be missing from a record, and a rehearsal's, on meta, would be met by a real run.
    """
    before = dict(code_books())
    code_books().clear()
    try:
        yield
    finally:
        code_books().clear()
        code_books().update(before)


@contextmanager
def own_overrides() -> Iterator[None]:
    """bitsandbytes' optimizers share one list of parameters with settings of their own, kept by position for good.

    The Trainer enters embeddings in it; a later optimizer of the process would give whatever stands in an
    embedding's place 32-bit states (bitsandbytes/optim/optimizer.py, GlobalOptimManager.index2config).
    """
    before = _override_manager()
    if before is not None:
        type(before)._instance = None
    try:
        yield
    finally:
        after = _override_manager()
        if after is not None:
            type(after)._instance = before


def _override_manager() -> Any:
    """The one there is, or None: before bitsandbytes has been imported, and before anyone has asked for it."""
    library = sys.modules.get("bitsandbytes.optim.optimizer")
    return None if library is None else library.GlobalOptimManager._instance


def expansions(target: "Target") -> dict[Any, Callable[..., Any]]:
    """Operators whose CUDA kernel dequantizes the weight into memory and multiplies with it.

    Empty before bitsandbytes has been imported, which a later rehearsal of the same process may do.
    """
    if "bitsandbytes" not in sys.modules or not hasattr(torch.ops.bitsandbytes, "gemm_4bit"):
        return {}
    return _expansions(target)


@lru_cache(maxsize=8)
def _expansions(target: "Target") -> dict[Any, Callable[..., Any]]:
    return {torch.ops.bitsandbytes.gemm_4bit.default: _gemm_4bit(target), **int8_cuda.programs()}


@contextmanager
def own_kernels(target: "Target") -> Iterator[None]:
    """While active, meta tensors take the autograd functions that the target's would."""
    library = sys.modules.get("bitsandbytes.autograd._functions")
    if library is None:
        yield
        return
    with int8_cuda.own_autograd(library, cuda=target.name == "cuda"):
        yield


def _gemm_4bit(target: "Target") -> Callable[..., Any]:
    def gemm_4bit(
        a: torch.Tensor,
        b: torch.Tensor,
        shape: Any,
        absmax: torch.Tensor,
        blocksize: int,
        quant_type: str,
        bias: torch.Tensor | None = None,
        absmax_8bit: torch.Tensor | None = None,
        absmax_code: torch.Tensor | None = None,
        absmax_offset: torch.Tensor | None = None,
    ) -> torch.Tensor | None:
        """bitsandbytes' backends/cuda/ops.py, _dequant_linear_fallback(); None where one fused kernel runs."""
        inner = a.shape[-1]
        if _runs_fused(target, a.dtype, a.numel() // inner, shape[0], inner, blocksize):
            return None
        held = []  # the kernel's local variables: they live until it returns
        if absmax_8bit is not None:
            held.append(torch.empty_like(absmax_8bit, dtype=torch.float32))
            held.append(held[0] + absmax_offset)
        weight = torch.empty(tuple(shape), dtype=a.dtype, device=a.device)
        return torch.nn.functional.linear(a, weight, bias)

    return gemm_4bit


def _runs_fused(target: "Target", dtype: torch.dtype, m: int, n: int, k: int, blocksize: int) -> bool:
    """Whether one kernel reads the packed weight directly: bitsandbytes' own rule, asked of bitsandbytes."""
    rules = _dispatch_rules()
    if m > rules._gemm_4bit_custom_max_m or k % blocksize:
        return False
    original = rules._gpu_dispatch_props
    rules._gpu_dispatch_props = lambda _: (target.multiprocessors, *target.capability)
    try:
        # Past the cache: its answer for device 0 is another GPU's.
        return bool(rules._gemm_4bit_use_custom_cuda.__wrapped__(0, dtype, m, n, k))
    finally:
        rules._gpu_dispatch_props = original


@lru_cache(maxsize=1)
def _dispatch_rules() -> Any:
    """The module with bitsandbytes' CUDA kernels; on a torch without CUDA it lacks one name to be imported."""
    name = "_cuda_getCurrentRawStream"
    if hasattr(torch._C, name):
        import bitsandbytes.backends.cuda.ops as rules

        return rules
    setattr(torch._C, name, None)
    try:
        import bitsandbytes.backends.cuda.ops as rules
    finally:
        delattr(torch._C, name)
    return rules


def paged_states(optimizer: Any) -> tuple[int, int]:
    """Bytes of an optimizer's states in unified memory: all of them, and the most that one parameter has."""
    sizes = [
        sum(
            tensor.untyped_storage().nbytes()
            for tensor in state.values()
            if getattr(tensor, "is_paged", False)
        )
        for part in held_by(optimizer)
        for state in part.state.values()
    ]
    return sum(sizes), max(sizes, default=0)


@contextmanager
def paged_off_device() -> Iterator[None]:
    """Paged optimizers keep their states in unified memory: host pages that move in as they are touched.

    To be entered once the optimizer is made: does nothing where that did not need bitsandbytes.
    """
    if "bitsandbytes" not in sys.modules:
        yield
        return
    import bitsandbytes.functional as bnb

    originals = {name: getattr(bnb, name) for name in ("get_paged", "fill", "prefetch_tensor")}

    def get_paged(*shape: int, dtype: torch.dtype = torch.float32, device: Any = None) -> torch.Tensor:
        from torch.utils._python_dispatch import _disable_current_modes

        with _disable_current_modes():  # no block of the device: nothing to write down
            out = torch.empty(shape, dtype=dtype, device="meta")
        out.is_paged = True
        return out

    bnb.get_paged = get_paged
    bnb.fill = lambda *_, **__: None
    bnb.prefetch_tensor = lambda *_, **__: None
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(bnb, name, original)
