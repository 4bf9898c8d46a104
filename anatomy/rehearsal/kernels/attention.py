"""scaled_dot_product_attention as CUDA runs it, for meta tensors.

Without a device, torch's composite operator falls to the math path and would show S x S score matrices that no
GPU makes. Here the same steps as aten/src/ATen/native/transformers/attention.cpp take the kernel that CUDA takes:
the padding of head sizes and masks stays visible, as it is there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

from anatomy.rehearsal.kernels.workspaces import choose_attention

_aten = torch.ops.aten

Kernel = Callable[..., torch.Tensor]


def _pad_head(tensor: torch.Tensor, multiple: int = 8) -> torch.Tensor:
    """The last dimension padded up to a multiple, as flash attention wants it (pad_last_dim)."""
    missing = -tensor.shape[-1] % multiple
    return functional.pad(tensor, (0, missing)) if missing else tensor


def _flash(
    q: Any, k: Any, v: Any, mask: Any, dropout: float, causal: bool, scale: float | None
) -> torch.Tensor:
    size = q.shape[-1]
    scale = scale if scale is not None else size**-0.5
    padded = [_pad_head(t) for t in (q, k, v)]
    out = _aten._scaled_dot_product_flash_attention(*padded, dropout, causal, False, scale=scale)[0]
    return out[..., :size] if out.shape[-1] != size else out


def _efficient(
    q: Any, k: Any, v: Any, mask: Any, dropout: float, causal: bool, scale: float | None
) -> torch.Tensor:
    mask = _aligned_mask(mask, q, k)
    needs_lse = torch.is_grad_enabled() and any(t.requires_grad for t in (q, k, v, mask) if t is not None)
    return _aten._scaled_dot_product_efficient_attention(
        q, k, v, mask, needs_lse, dropout, causal, scale=scale
    )[0]


def _cudnn(
    q: Any, k: Any, v: Any, mask: Any, dropout: float, causal: bool, scale: float | None
) -> torch.Tensor:
    needs_lse = torch.is_grad_enabled() and any(t.requires_grad for t in (q, k, v))
    return _aten._scaled_dot_product_cudnn_attention(
        q, k, v, mask, needs_lse, dropout, causal, False, scale=scale
    )[0]


def _aligned_mask(mask: torch.Tensor | None, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor | None:
    """A mask whose rows start on 16 bytes (8 elements), expanded to every head: preprocess_mask()."""
    if mask is None:
        return None
    length = mask.shape[-1]
    if length % 8:
        mask = functional.pad(mask, (0, -length % 8))[..., :length]
    return mask.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])


def _float_mask(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """A boolean mask as additive floats: convert_boolean_attn_mask()."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    zero, masked = (torch.full((), value, dtype=dtype, device=mask.device) for value in (0.0, float("-inf")))
    return torch.where(mask, zero, masked)


def _flash_for_cpu(
    q: Any, k: Any, v: Any, mask: Any, dropout: float, causal: bool, scale: float | None
) -> torch.Tensor:
    return _aten._scaled_dot_product_flash_attention_for_cpu(
        q, k, v, dropout, causal, attn_mask=mask, scale=scale
    )[0]


_KERNELS: dict[str, Kernel] = {
    "flash": _flash,
    "efficient": _efficient,
    "cudnn": _cudnn,
    "flash_for_cpu": _flash_for_cpu,
}
"""By the name that is chosen; "math" is none of them."""


def cuda_attention(capability: tuple[int, int], used: dict[str, None]) -> Callable[..., torch.Tensor]:
    """The composite operator for a GPU of this compute capability; writes the kernels it chose into `used`."""

    def choose(q: Any, k: Any, v: Any, mask: Any, dropout: float, causal: bool, gqa: bool) -> str:
        return choose_attention(
            tuple(q.shape),
            tuple(k.shape),
            tuple(v.shape),
            q.dtype,
            has_mask=mask is not None,
            mask_needs_grad=mask is not None and mask.requires_grad,
            dropout_p=dropout,
            is_causal=causal,
            needs_grad=torch.is_grad_enabled() and any(t.requires_grad for t in (q, k, v)),
            enable_gqa=gqa,
            capability=capability,
        )

    return _composite(choose, used)


def cpu_attention(used: dict[str, None]) -> Callable[..., torch.Tensor]:
    """The composite operator as a CPU runs it (for checking rehearsals against real tensors)."""

    def choose(q: Any, k: Any, v: Any, mask: Any, dropout: float, causal: bool, gqa: bool) -> str:
        # sdp_utils_cpp.cpp, use_flash_attention_cpp(): no dropout, no mask that needs a gradient, equal head sizes,
        # and equally many heads unless they may be grouped.
        alike = q.shape[-1] == v.shape[-1] and (gqa or q.shape[1] == k.shape[1])
        plain = dropout == 0.0 and (mask is None or not mask.requires_grad)
        return "flash_for_cpu" if alike and plain else "math"

    return _composite(choose, used)


def _composite(choose: Callable[..., str], used: dict[str, None]) -> Callable[..., torch.Tensor]:
    """at::scaled_dot_product_attention with the kernel that `choose` names."""

    def attention(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        *,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        name = choose(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
        used[name] = None
        mask = _float_mask(attn_mask, query.dtype)
        kernel = _KERNELS.get(name)
        if kernel is not None:
            return kernel(query, key, value, mask, dropout_p, is_causal, scale)
        return _aten._scaled_dot_product_attention_math(
            query, key, value, mask, dropout_p, is_causal, None, scale=scale, enable_gqa=enable_gqa
        )[0]

    return attention


@contextmanager
def flash_attention_2(used: dict[str, None]) -> Iterator[None]:
    """While active, transformers' "flash_attention_2" runs torch's copy of the same kernels.

    The flash-attn package need not be installed; its allocations are those of the kernels that torch ships.
    """
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    def forward(
        module: Any,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, None]:
        used["flash_attention_2"] = None
        causal = kwargs.get("is_causal")
        causal = getattr(module, "is_causal", True) if causal is None else causal
        out = _flash(query, key, value, None, dropout, causal and query.shape[2] > 1, kwargs.get("scaling"))
        return out.transpose(1, 2), None

    original = ALL_ATTENTION_FUNCTIONS._local_mapping.get("flash_attention_2")
    ALL_ATTENTION_FUNCTIONS["flash_attention_2"] = forward
    try:
        yield
    finally:
        if original is None:
            del ALL_ATTENTION_FUNCTIONS["flash_attention_2"]
        else:
            ALL_ATTENTION_FUNCTIONS["flash_attention_2"] = original
