"""Mamba's selective scan in mamba-ssm 2.3.2, by the blocks it takes.

Sources: mamba_ssm/ops/selective_scan_interface.py (SelectiveScanFn, MambaInnerFn: what is saved, and the products around the
kernels) and csrc/selective_scan/selective_scan.cpp (selective_scan_fwd, selective_scan_bwd: what the kernels take).
"""
# ruff: noqa: N803, N806  A, B, C and D are what everyone calls these matrices, and keywords of the calls

from typing import Any

import torch
from torch import Tensor

from anatomy.errors import RehearsalError

CHUNK = 2048
"""Tokens whose last state is kept (n_chunks in selective_scan.cpp)."""
_Gradients = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None, Tensor | None]


def scan(delta: Tensor, A: Tensor, z: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """selective_scan_fwd -> output, states at the ends of chunks, gated output."""
    batch, dim, length = delta.shape
    gated = None if z is None else torch.empty_like(z)
    out = torch.empty_like(delta)
    chunks = -(-length // CHUNK)
    states = torch.empty(batch, dim, chunks, A.shape[1] * 2, dtype=A.dtype, device=delta.device)
    return out, states, gated


def scan_backward(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    out: Tensor | None,
    dz: Tensor | None,
    *,
    again: bool,
) -> tuple[_Gradients, Tensor | None, Tensor | None]:
    """selective_scan_bwd -> gradients of u, delta, A, B, C, D and delta_bias; of z; and, `again`, the gated output."""
    gated = None
    if z is not None and out is not None:
        dz = torch.empty_like(z) if dz is None else dz
        gated = torch.empty_like(out) if again else None
    du, ddelta, dA = torch.empty_like(u), torch.empty_like(delta), torch.zeros_like(A)
    dB, dC = (torch.zeros_like(t, dtype=torch.float32) for t in (B, C))
    dD, dbias = (None if t is None else torch.zeros_like(t) for t in (D, delta_bias))
    return (du, ddelta, dA, dB.to(B.dtype), dC.to(C.dtype), dD, dbias), dz, gated


def _last_contiguous(tensor: Tensor) -> Tensor:
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


class _SelectiveScan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        delta: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        D: Tensor | None,
        z: Tensor | None,
        delta_bias: Tensor | None,
    ) -> Tensor:
        _one_dtype(u, delta, B, C)
        u, delta, B, C = map(_last_contiguous, (u, delta, B, C))
        D = None if D is None else D.contiguous()
        z = None if z is None else _last_contiguous(z)
        out, states, gated = scan(delta, A, z)
        ctx.save_for_backward(u, delta, A, B, C, D, z, delta_bias, states, None if z is None else out)
        return out if gated is None else gated

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        u, delta, A, B, C, D, z, delta_bias, _states, out = ctx.saved_tensors
        _dout = _last_contiguous(gradients[0])
        (*grads, dbias), dz, _ = scan_backward(u, delta, A, B, C, D, z, delta_bias, out, None, again=False)
        return (*grads, dz, dbias)


def selective_scan_fn(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    **_: Any,
) -> Tensor:
    """Of `u` and `delta` (batch, dim, length), `A` (dim, state), `B` and `C` (batch, state, length)."""
    if return_last_state:
        raise RehearsalError(
            "The selective scan's last state is asked for, which training does not.", hint=""
        )
    out: Tensor = _SelectiveScan.apply(u, delta, A, B, C, D, z, delta_bias)
    return out


def _one_dtype(*tensors: Tensor) -> None:
    """The kernel's own checks (TORCH_CHECK in selective_scan_fwd)."""
    if len({tensor.dtype for tensor in tensors}) > 1:
        kinds = ", ".join(sorted(str(tensor.dtype) for tensor in tensors))
        raise RehearsalError(
            f"mamba-ssm's selective scan takes tensors of one dtype, not {kinds}.",
            hint="another --precision, or --recurrent-kernels torch",
        )
