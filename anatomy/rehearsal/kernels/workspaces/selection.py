"""Which kernel torch 2.13 picks on CUDA where the meta device would take another path.

Sources (PyTorch, aten/src/ATen/native): transformers/cuda/sdp_utils.cpp and transformers/sdp_utils_cpp.h for
attention, Dropout.cpp for dropout, layer_norm.cpp for RMS norm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Backend = Literal["flash", "efficient", "cudnn", "math"]

TORCH_CUDNN = 92000
"""cuDNN 9.20, which the CUDA 13 wheels of torch 2.13 require. 2.10 pins 9.15.1 (CUDA 13) or 9.10 (CUDA 12)."""

_HALF = ("float16", "bfloat16")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Query:
    """sdp_params: one call of scaled_dot_product_attention. Shapes are (batch, heads, length, head size)."""

    q: tuple[int, ...]
    k: tuple[int, ...]
    v: tuple[int, ...]
    dtype: str
    has_mask: bool
    mask_needs_grad: bool
    dropout: float
    causal: bool
    needs_grad: bool
    gqa: bool
    capability: tuple[int, int]
    cudnn: int


def choose_attention(
    query_shape: Sequence[int],
    key_shape: Sequence[int],
    value_shape: Sequence[int],
    dtype: Any,
    *,
    has_mask: bool,
    dropout_p: float,
    is_causal: bool,
    needs_grad: bool,
    enable_gqa: bool,
    capability: tuple[int, int],
    mask_needs_grad: bool = False,
    cudnn_version: int = TORCH_CUDNN,
) -> Backend:
    """The kernel that scaled_dot_product_attention runs on CUDA, with torch's defaults (select_sdp_backend).

    Shapes are (batch, heads, length, head size); `dtype` is a torch dtype or its name. The order of preference is
    flash, efficient, math; since 2.10 cuDNN comes first on Hopper and datacenter Blackwell when it is newer than
    9.15.0 (check_prefer_cudnn_attention), which holds for the CUDA 13 wheels of 2.10 and every wheel after.
    A mask is taken to be one that broadcasts to (batch, heads, query, key) from 2 or 4 dimensions, and tensors to be
    dense with a contiguous last dimension.
    """
    query = _Query(
        q=tuple(query_shape),
        k=tuple(key_shape),
        v=tuple(value_shape),
        dtype=str(dtype).removeprefix("torch."),
        has_mask=has_mask,
        mask_needs_grad=mask_needs_grad,
        dropout=dropout_p,
        causal=is_causal,
        needs_grad=needs_grad,
        gqa=enable_gqa,
        capability=capability,
        cudnn=cudnn_version,
    )
    order = _CUDNN_FIRST if _prefers_cudnn(query) else _DEFAULT_ORDER
    return next((name for name, possible in order if possible(query)), "math")


def _prefers_cudnn(c: _Query) -> bool:
    """check_prefer_cudnn_attention: capabilities 9.0, 10.0 and 10.3."""
    return c.cudnn > 91500 and c.capability[0] in (9, 10) and c.capability[1] in (0, 3)


def _well_formed(c: _Query) -> bool:
    """check_tensor_shapes, check_nonzero_sequence_lengths_dense, and one batch size for all three."""
    return all(len(s) == 4 and s[0] == c.q[0] and s[2] > 0 for s in (c.q, c.k, c.v))


def _heads_fit(c: _Query, *, grouped: bool, equal_kv: bool = True) -> bool:
    """check_batch_size_and_num_heads_dense, check_grouped_query_attention."""
    q, k, v = c.q[1], c.k[1], c.v[1]
    if c.gqa and grouped:
        return q % k == 0 and q % v == 0 and (k == v or not equal_kv)
    return q == k == v


def _can_flash(c: _Query) -> bool:
    """can_use_flash_attention."""
    size = c.q[-1]
    return (
        _well_formed(c)
        and not c.has_mask  # check_for_attn_mask
        and c.k[-1] == c.v[-1] == size <= 256  # check_head_dim_size_flash
        and (8, 0) <= c.capability <= (12, 1)
        and not (c.needs_grad and _backward_lacks_shared_memory(c))
        and not (c.causal and c.q[-2] != c.k[-2])  # check_flash_causal_non_square_seqlens
        and c.dtype in _HALF
        and _heads_fit(c, grouped=True)
    )


def _backward_lacks_shared_memory(c: _Query) -> bool:
    """check_requires_grad_and_head_dim_gt192_constraints_on_sm86_89_or_120."""
    small = (8, 6) <= c.capability <= (8, 9) or (12, 0) <= c.capability <= (12, 1)
    size = c.q[-1]
    return small and not (size <= 192 or (c.dropout == 0 and size > 224))


def _can_efficient(c: _Query) -> bool:
    """can_use_mem_efficient_attention. Grouped heads are refused up to 2.13 (PyTorch pull request 191085 adds them)."""
    major = c.capability[0]
    half = c.dtype in _HALF
    alignment = (
        (8 if half else 4) if major >= 8 else (8 if half and major == 7 else 1)
    )  # minimum_gemm_alignment
    return (
        _well_formed(c)
        and (5, 0) <= c.capability <= (12, 1)
        and c.q[-1] == c.k[-1]
        and all(size > 0 and size % alignment == 0 for size in (c.q[-1], c.v[-1]))
        and _heads_fit(c, grouped=False)
        and c.dtype in (("float16", "bfloat16", "float32") if major >= 8 else ("float16", "float32"))
    )


def _can_cudnn(c: _Query) -> bool:
    """can_use_cudnn_attention, for capabilities where it comes first. The rule on dropout is of 2.12 and later."""
    d_qk, d_v = c.q[-1], c.v[-1]
    deepseek = c.capability[0] == 10 and (d_qk, d_v) == (192, 128)
    limit = 256 if c.capability == (9, 0) else 192 if deepseek else 128  # check_cudnn_tensor_shapes
    return (
        _well_formed(c)
        and not c.mask_needs_grad  # check_attn_mask_shape
        and c.dtype in _HALF
        and (c.dropout * 16).is_integer()  # check_cudnn_dropout
        and c.q[0] <= 65535
        and c.q[1] <= 65535
        and max(d_qk, d_v) <= limit
        and d_qk % 8 == 0
        and d_v % 8 == 0
        and c.k[-2] != 1
        and not (c.q[-2] == 1 and c.dropout)
        and _heads_fit(c, grouped=True, equal_kv=False)
    )


_Order = tuple[tuple[Backend, Callable[[_Query], bool]], ...]

_DEFAULT_ORDER: _Order = (("flash", _can_flash), ("efficient", _can_efficient))
_CUDNN_FIRST: _Order = (("cudnn", _can_cudnn), *_DEFAULT_ORDER)


def fused_dropout(
    p: float,
    *,
    training: bool,
    elements: int,
    inplace: bool = False,
    feature: bool = False,
    alpha: bool = False,
) -> bool:
    """Whether CUDA's dropout is `native_dropout`: output and a mask of one byte per element (Dropout.cpp, dropout).

    Every other dropout (p 0 or 1, in place, feature or alpha) multiplies by a noise tensor of the input's dtype, as
    on meta; feature noise has one element per channel. The math attention's dropout follows the same rule.
    """
    return training and 0 < p < 1 and elements > 0 and not (inplace or feature or alpha)


def fused_rms_norm(input_dtype: Any, weight_dtype: Any | None) -> bool:
    """Whether F.rms_norm is one kernel on CUDA, which keeps its input and one fp32 number per row for backward.

    True unless the weight has another dtype than the input, or the input is complex or channels-last
    (layer_norm.cpp, rms_norm_symint). On meta the operator always decomposes.
    """
    return weight_dtype is None or input_dtype == weight_dtype
