"""A whole Mamba mixer in one node of autograd's: MambaInnerFn of mamba-ssm 2.3.2, by the blocks it takes.

Source: mamba_ssm/ops/selective_scan_interface.py, MambaInnerFn with checkpoint_lvl=1: the convolution's output and the step
sizes are computed again in backward.
"""
# ruff: noqa: N803, N806  A, B, C and D are what everyone calls these matrices, and keywords of the calls

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from anatomy.rehearsal.kernels.recurrent.causal_conv import convolve, convolve_backward
from anatomy.rehearsal.kernels.recurrent.selective_scan import scan, scan_backward


def _tokens_first(tensor: Tensor) -> Tensor:
    """(batch, dim, length) -> (batch x length, dim)."""
    return tensor.transpose(1, 2).reshape(-1, tensor.shape[1])


def _channels_first(tensor: Tensor) -> Tensor:
    """(batch, dim, length) -> (dim, batch x length)."""
    return tensor.transpose(0, 1).reshape(tensor.shape[1], -1)


def _steps(weight: Tensor, projected: Tensor, length: int) -> Tensor:
    """Step sizes (batch, dim, length), of which dim moves slowest."""
    found = weight @ projected[:, : weight.shape[1]].t()
    return found.view(weight.shape[0], -1, length).transpose(0, 1)


def _states_first(tensor: Tensor, length: int) -> Tensor:
    """(batch x length, state) -> (batch, 1, state, length), contiguous."""
    return tensor.reshape(-1, length, tensor.shape[-1]).transpose(1, 2).unsqueeze(1).contiguous()


def _normed(tensor: Tensor, weight: Tensor | None) -> Tensor:
    """_layer_norm_fwd of ops/triton/layer_norm.py, without a mean: an output, and one fp32 number a row."""
    weight = None if weight is None else weight.contiguous()
    out = torch.empty_like(tensor)
    _row_scales = torch.empty(tensor.shape[0], dtype=torch.float32, device=tensor.device)
    return out


def _norm_states(tensor: Tensor, weight: Tensor | None, length: int) -> Tensor:
    """B or C, normed."""
    if weight is None:
        return tensor
    rows = tensor.squeeze(1).transpose(1, 2).reshape(-1, tensor.shape[2]).contiguous()
    return _states_first(_normed(rows, weight), length)


def _norm_steps(tensor: Tensor, weight: Tensor | None, length: int) -> Tensor:
    if weight is None:
        return tensor
    rows = _normed(_tokens_first(tensor).contiguous(), weight)
    return rows.view(-1, length, rows.shape[1]).transpose(1, 2).contiguous()


class _MambaInner(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        xz: Tensor,
        conv_weight: Tensor,
        conv_bias: Tensor | None,
        x_weight: Tensor,
        dt_weight: Tensor,
        out_weight: Tensor,
        out_bias: Tensor | None,
        A: Tensor,
        D: Tensor | None,
        dt_bias: Tensor | None,
        norms: tuple[Tensor | None, Tensor | None, Tensor | None],
    ) -> Tensor:
        length, states = xz.shape[-1], A.shape[-1]
        ctx.autocast = torch.is_autocast_enabled("cuda")
        if ctx.autocast:
            ctx.dtype = torch.get_autocast_dtype("cuda")
            x_weight, dt_weight, out_weight = (w.to(ctx.dtype) for w in (x_weight, dt_weight, out_weight))
            out_bias = None if out_bias is None else out_bias.to(ctx.dtype)
        if xz.stride(-1) != 1:
            xz = xz.contiguous()
        conv_weight = conv_weight.squeeze(1)
        x, z = xz.chunk(2, dim=1)
        conv_bias = None if conv_bias is None else conv_bias.contiguous()
        convolved = convolve(x)
        projected = linear(_tokens_first(convolved), x_weight)
        delta = _steps(dt_weight, projected, length)
        rank = dt_weight.shape[1]
        B = _states_first(projected[:, rank : rank + states], length)
        C = _states_first(projected[:, -states:], length)
        D = None if D is None else D.contiguous()
        B, C = _norm_states(B, norms[0], length), _norm_states(C, norms[1], length)
        delta = _norm_steps(delta, norms[2], length)
        out, ends, gated = scan(delta, A, z)
        ctx.has_out_bias, ctx.norms = out_bias is not None, norms
        del convolved, delta  # checkpoint_lvl=1
        ctx.save_for_backward(
            xz,
            conv_weight,
            conv_bias,
            projected,
            x_weight,
            dt_weight,
            out_weight,
            A,
            B,
            C,
            D,
            dt_bias,
            ends,
            out,
        )
        assert gated is not None
        return linear(gated.transpose(1, 2), out_weight, out_bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast("cuda", enabled=ctx.autocast, dtype=getattr(ctx, "dtype", None)):
            return _backward(ctx, gradients[0])


def _backward(ctx: Any, dout: Tensor) -> tuple[Tensor | None, ...]:
    (
        xz, conv_weight, conv_bias, projected, x_weight, dt_weight, out_weight, A, B, C, D, dt_bias, _ends, out
    ) = ctx.saved_tensors  # fmt: skip
    length, rank, states = xz.shape[-1], dt_weight.shape[1], A.shape[-1]
    x, z = xz.chunk(2, dim=1)
    dout = dout if dout.stride(-1) == 1 else dout.contiguous()
    convolved = convolve(x)
    delta = _norm_steps(_steps(dt_weight, projected, length), ctx.norms[2], length)
    B, C = _norm_states(B, ctx.norms[0], length), _norm_states(C, ctx.norms[1], length)
    dxz = torch.empty_like(xz)
    dx, dz = dxz.chunk(2, dim=1)
    dout = dout.permute(2, 0, 1).reshape(dout.shape[2], -1)
    dy = out_weight.t() @ dout
    dy = dy.view(dy.shape[0], -1, length).transpose(0, 1)
    (dconvolved, ddelta, dA, dB, dC, dD, dbias), _, gated = scan_backward(
        convolved, delta, A, B, C, D, z, dt_bias, out, dz, again=True
    )
    assert gated is not None
    d_out_weight = torch.einsum("eB,dB->ed", dout, _channels_first(gated))
    d_out_bias = dout.sum(dim=(0, 1)) if ctx.has_out_bias else None
    d_projected = torch.empty_like(projected)
    dB = dB.squeeze(1).transpose(1, 2).reshape(-1, states).contiguous()
    d_projected[:, rank : rank + states] = dB
    del dB
    dC = dC.squeeze(1).transpose(1, 2).reshape(-1, states).contiguous()
    d_projected[:, -states:] = dC
    del dC
    ddelta = _channels_first(ddelta)
    d_dt_weight = torch.einsum("dB,Br->dr", ddelta, projected[:, :rank])
    d_projected[:, :rank] = torch.einsum("dB,dr->Br", ddelta, dt_weight)
    dconvolved = _channels_first(dconvolved)
    d_x_weight = torch.einsum("Br,Bd->rd", d_projected, _tokens_first(convolved))
    dconvolved = torch.addmm(dconvolved, x_weight.t(), d_projected.t(), out=dconvolved)
    dconvolved = dconvolved.view(dconvolved.shape[0], -1, length).transpose(0, 1)
    dx, d_conv_weight, d_conv_bias = convolve_backward(x, conv_weight, conv_bias, dx)
    return (
        dxz, d_conv_weight.unsqueeze(1), d_conv_bias, d_x_weight, d_dt_weight, d_out_weight, d_out_bias, dA, dD, dbias,
        None,
    )  # fmt: skip


def mamba_inner_fn(
    xz: Tensor,
    conv1d_weight: Tensor,
    conv1d_bias: Tensor | None,
    x_proj_weight: Tensor,
    delta_proj_weight: Tensor,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    A: Tensor,
    B: Tensor | None = None,
    C: Tensor | None = None,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = True,
    b_rms_weight: Tensor | None = None,
    c_rms_weight: Tensor | None = None,
    dt_rms_weight: Tensor | None = None,
    **_: Any,
) -> Tensor:
    """From what in_proj made (batch, 2 dim, length) to what out_proj makes (batch, length, hidden)."""
    norms = (b_rms_weight, c_rms_weight, dt_rms_weight)
    out: Tensor = _MambaInner.apply(
        xz, conv1d_weight, conv1d_bias, x_proj_weight, delta_proj_weight, out_proj_weight, out_proj_bias, A, D,
        delta_bias, norms,
    )  # fmt: skip
    return out
