"""Packages of optimizers on CUDA, for meta tensors: what they ask of the device, and kernels that take no memory."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch

if TYPE_CHECKING:
    from anatomy.rehearsal.cuda import Stage


@contextmanager
def device_calls() -> Iterator[None]:
    """While active, what a program says to the CUDA device by name means the meta device.

    AdaLOMO sends its states there, GaLore's 8-bit AdamW waits for it, APOLLO draws its projections there.
    """
    with ExitStack() as stack:
        stack.enter_context(patch.object(torch.Tensor, "cuda", _to_meta))
        stack.enter_context(patch.object(torch.cuda, "synchronize", _nothing))
        yield


@contextmanager
def package_kernels(stage: "Stage") -> Iterator[None]:
    """While active, the packages' own kernels do nothing to meta tensors. To be entered once the optimizer is made."""
    with ExitStack() as stack:
        for module, name, replacement in _REPLACED:
            library = sys.modules.get(module)
            if library is not None and (stage.target.name == "cuda" or module != _ON_CUDA_ONLY):
                stack.enter_context(patch.object(library, name, replacement, create=True))
        if _COMPILED in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


def _to_meta(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return tensor.to("meta")


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _drawn(shape: Any, seed: int, device: Any = None, dtype: Any = None) -> torch.Tensor:
    """apollo_torch's stable_randn, without a generator, which the meta device does not have."""
    return torch.randn(shape, device=device, dtype=dtype)


_COMPILED = "torchao.optim.adam"
_ON_CUDA_ONLY = "optimi.stableadamw"
_REPLACED: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    # One compiled function a parameter; what Inductor keeps between its kernels is not known.
    (_COMPILED, "single_param_adam", _nothing),
    # Triton kernels in place, chosen on CUDA where Triton is installed (optimi/utils.py, _default_to_triton).
    (_ON_CUDA_ONLY, "_default_to_triton", lambda parameters: True),
    (_ON_CUDA_ONLY, "_triton_stableadamw", _nothing),
    ("apollo_torch.random_projector", "stable_randn", _drawn),
)
"""(module, name in it, what stands for it)."""
