"""The depthwise causal convolution of causal-conv1d 1.7.0, by the blocks it takes.

Sources: causal_conv1d/causal_conv1d_interface.py (CausalConv1dFn: what is saved) and causal_conv1d/cpp_functions.py
(what is allocated around the kernels).
"""

from typing import Any

import torch
from torch import Tensor


def convolve(x: Tensor) -> Tensor:
    """causal_conv1d_fwd_function: one output like the input."""
    return torch.empty_like(x)


def convolve_backward(
    x: Tensor, weight: Tensor, bias: Tensor | None, dx: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """causal_conv1d_bwd_function: gradients of weight and bias are summed in fp32 and cast."""
    dx = torch.empty_like(x) if dx is None else dx
    dweight = torch.zeros_like(weight, dtype=torch.float32)
    dbias = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
    dweight = dweight.type_as(weight)
    if bias is not None and dbias is not None:
        dbias = dbias.type_as(bias)
    return dx, dweight, dbias


class _CausalConv(torch.autograd.Function):
    """Saves its input; activation is computed again in backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if x.stride(2) != 1 and x.stride(1) != 1:
            x = x.contiguous()
        bias = None if bias is None else bias.contiguous()
        out = convolve(x)
        ctx.save_for_backward(x, weight, bias)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        (dout,) = gradients
        if dout.stride(2) != 1 and dout.stride(1) != 1:
            dout = dout.contiguous()
        return convolve_backward(x, weight, bias)


def causal_conv1d_fn(x: Tensor, weight: Tensor, bias: Tensor | None = None, **_: Any) -> Tensor:
    """Of `x` (batch, dim, length) with `weight` (dim, width); same shape as `x`."""
    out: Tensor = _CausalConv.apply(x, weight, bias)
    return out
