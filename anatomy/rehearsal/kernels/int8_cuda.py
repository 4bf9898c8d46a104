"""LLM.int8() on CUDA, for meta tensors: bitsandbytes' kernels written out as the programs that they are.

Source: bitsandbytes 0.50, backends/cuda/ops.py and backends/default/ops.py. Which columns of an input are outliers is
data; no column is one here, and the answer says so. Its int8 product asks cuBLASLt for no workspace (csrc/ops.cu,
igemmlt).
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

NO_OUTLIERS = (
    "no activation is beyond LLM.int8()'s outlier threshold: each column of an input that has one keeps 2 bytes a "
    "token for backward beside what is counted"
)
KEPT_INPUTS = (
    "non-reentrant checkpoints do not free the inputs of LLM.int8() layers, which bitsandbytes keeps outside of what "
    "autograd saves; reentrant ones do"
)
"""bitsandbytes 0.50, autograd/_functions.py, MatMul8bitLt.forward: `ctx.tensors = (CAt, subA, A)`."""


def programs() -> dict[Any, Callable[..., Any]]:
    """bitsandbytes' operators -> what they do on CUDA. bitsandbytes has been imported."""
    ops = torch.ops.bitsandbytes
    return {
        ops.int8_vectorwise_quant.default: _vectorwise_quant,
        ops.int8_mixed_scaled_mm.default: _mixed_scaled_mm,
        ops.int8_scaled_mm.default: _scaled_mm,
        ops.int8_vectorwise_dequant.default: _vectorwise_dequant,
    }


def _vectorwise_quant(tensor: torch.Tensor, threshold: float = 0.0) -> tuple[torch.Tensor, ...]:
    """One scale a row. With a threshold the absolute values and their mask are there for a moment."""
    rows = tensor.numel() // tensor.shape[-1]
    scales = torch.empty(rows, dtype=torch.float32, device=tensor.device)
    packed = torch.empty(tensor.shape, dtype=torch.int8, device=tensor.device)
    if threshold == 0.0:
        return packed, scales, None
    outliers = tensor.abs() >= threshold
    outliers.any()  # answered with no
    return packed, scales, torch.empty(0, dtype=torch.int64, device=tensor.device)


def _mixed_scaled_mm(
    tensor: torch.Tensor,
    packed: torch.Tensor,
    weight: torch.Tensor,
    row_scales: torch.Tensor,
    scales: torch.Tensor,
    outlier_columns: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Without outlier columns nothing is extracted, nor added to the int8 product."""
    extracted = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    out = torch.ops.bitsandbytes.int8_scaled_mm.default(
        packed, weight, row_scales, scales, bias=bias, dtype=tensor.dtype
    )
    return out, extracted


def _scaled_mm(
    packed: torch.Tensor,
    weight: torch.Tensor,
    row_scales: torch.Tensor,
    scales: torch.Tensor,
    bias: torch.Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """The product in int32, which stays until it has been scaled to fp16 and, for another dtype, cast again."""
    product = torch.ops.bitsandbytes.int8_linear_matmul.default(packed, weight)
    if (
        packed.shape[-1] % 4
    ):  # no kernel takes that: both sides are multiplied in fp32, and copied into `product`
        torch.matmul(packed.float(), weight.float().t()).to(torch.int32)
    out = torch.empty_like(product, dtype=torch.float16)
    if bias is not None and bias.dtype != torch.float16:
        out.add_(bias)
    return out.to(dtype or torch.float16)


def _vectorwise_dequant(packed: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    return packed * scales.view(-1, 1) * (1 / 127)


@contextmanager
def own_autograd(library: Any, *, cuda: bool) -> Iterator[None]:
    """While active, meta tensors take the autograd function of the target, and it does not warn at each product.

    `library`: bitsandbytes.autograd._functions. On the CPU it multiplies with the dequantized weight (MatMul8bitFp);
    it chooses by the tensor's device, and for any other than cpu and xpu takes CUDA's.
    """
    logger = logging.getLogger(library.__name__)
    function, level = library.MatMul8bitLt, logger.level
    if not cuda:
        library.MatMul8bitLt = library.MatMul8bitFp
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        library.MatMul8bitLt = function
        logger.setLevel(level)
