"""TRL's fused head on CUDA, for meta tensors: its Triton kernels work in place where its PyTorch ones make copies.

Source: trl 1.16, kernels/chunked_logprob.py (ChunkedLogProbFunction, _addmm_fp32) and trainer/utils.py
(add_fused_lm_head), which also drops the positions without a label where Triton runs.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

KERNELS, HEAD = "trl.kernels.chunked_logprob", "trl.trainer.utils"


@contextmanager
def fused_head() -> Iterator[None]:
    """While active, TRL's fused head does on meta what it does on CUDA. Does nothing where TRL has none."""
    kernels, head = sys.modules.get(KERNELS), sys.modules.get(HEAD)
    if kernels is None or head is None:
        yield
        return
    replaced: dict[tuple[Any, str], Any] = {
        (kernels, "_forward_tile"): _in_place,
        (kernels, "_backward_tile"): _in_place,
        (kernels, "_addmm_fp32"): _addmm,
        (head, "_use_triton"): lambda device: True,
    }
    originals = {where: getattr(*where) for where in replaced}
    for (module, name), value in replaced.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name), value in originals.items():
            setattr(module, name, value)


def _in_place(*_: Any, **__: Any) -> None:
    """A kernel that folds a tile into what is there already."""


def _addmm(total: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> None:
    """torch.addmm(..., out_dtype=float32, out=total): no copies of the operands in fp32, nothing new."""
