"""What an operator returns, where torch's own meta kernels are stricter or much slower than CUDA's."""

from collections.abc import Callable
from typing import Any

import torch

_aten = torch.ops.aten


def shortcut(func: Any, args: Any, kwargs: Any) -> torch.Tensor | None:
    """The meta tensor that `func` returns, or None where torch's own meta kernel shall say."""
    rule = _RULES.get(func)
    return None if rule is None else rule(*args, **kwargs)


def _elementwise(first: Any, second: Any, **_: Any) -> torch.Tensor | None:
    """Two alike tensors make a third: torch's meta kernels say the same, ten times slower."""
    if not (isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor)):
        return None
    alike = (
        first.device.type == "meta" == second.device.type
        and first.shape == second.shape
        and first.dtype == second.dtype
        and first.is_floating_point()
        and first.is_contiguous()
        and second.is_contiguous()
    )
    return _empty(first.shape, first.dtype) if alike else None


def _stack(tensors: Any, dim: int = 0, **_: Any) -> torch.Tensor | None:
    """Hundreds of alike tensors (the outputs of a loop over tokens) make one: torch's meta kernel takes them one by one."""
    first = tensors[0]
    if first.dim() > 2 or any(
        t.device.type != "meta" or t.shape != first.shape or t.dtype != first.dtype for t in tensors
    ):
        return None
    shape = list(first.shape)
    shape.insert(dim if dim >= 0 else dim + len(shape) + 1, len(tensors))
    return _empty(shape, first.dtype)


def _grouped_mm(
    a: torch.Tensor, b: torch.Tensor, offs: Any = None, bias: Any = None, out_dtype: torch.dtype | None = None
) -> torch.Tensor | None:
    """One matrix product a group of rows. CUDA takes every float dtype, the meta kernel bf16 only.

    The result's rows are padded to 16 bytes. Source: aten/src/ATen/native/GroupedMMUtils.h,
    create_grouped_gemm_output_tensor(); native/cuda/GroupedBlas.cpp, which loops over the groups where no fused
    kernel fits.
    """
    if a.device.type != "meta" or a.dtype == torch.bfloat16 == b.dtype:
        return None
    rows, columns = a.shape[-2], b.shape[-1]
    if a.dim() == 3 and b.dim() == 3:
        lead: tuple[int, ...] = (a.shape[0], rows)
    elif a.dim() == 2 and b.dim() == 2:
        lead = (offs.shape[0], rows)
    else:
        lead = (rows,)
    dtype = out_dtype or a.dtype
    padded = columns + -columns % (16 // dtype.itemsize)
    return _empty((*lead, padded), dtype)[..., :columns]


def _empty(shape: Any, dtype: torch.dtype) -> torch.Tensor:
    return _aten.empty.memory_format(shape, dtype=dtype, device="meta")


_RULES: dict[Any, Callable[..., torch.Tensor | None]] = {
    **dict.fromkeys((_aten.mul.Tensor, _aten.add.Tensor, _aten.sub.Tensor, _aten.div.Tensor), _elementwise),
    _aten._grouped_mm.default: _grouped_mm,
    _aten.stack.default: _stack,
}
