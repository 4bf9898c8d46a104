"""torch 2.4, with names of 2.10."""

import sys
from types import ModuleType
from typing import Any

import torch
from torch.library import Library
from torch.utils import flop_counter

from anatomy.older.row import Row

_FLASH = "_scaled_dot_product_flash_attention"
_KEPT: list[Library] = []
"""A registration lasts as long as its Library."""


def _define_grouped_mm() -> None:
    """The name alone: no model of that time calls it."""
    library = Library("aten", "FRAGMENT")
    library.define(
        "_grouped_mm(Tensor self, Tensor mat2, Tensor? offs=None, Tensor? bias=None, ScalarType? out_dtype=None)"
        " -> Tensor"
    )
    _KEPT.append(library)


def _flash_on_meta(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Any, ...]:
    """What the operator returns: torch/_subclasses/fake_impls.py of 2.4, meta__scaled_dot_product_flash."""

    def empty(*shape: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    batch, heads, length, _ = query.shape
    out = torch.empty_like(query.transpose(1, 2)).transpose(1, 2)
    log_sum_exp = empty(batch, heads, length, dtype=torch.float32)
    seed, offset = empty(dtype=torch.int64), empty(dtype=torch.int64)
    lengths = (None, None, length, key.shape[2])
    return out, log_sum_exp, *lengths, seed, offset, empty(0, dtype=query.dtype)


def _register_flash() -> None:
    library = Library("aten", "IMPL")
    library.impl(_FLASH, _flash_on_meta, "Meta")
    _KEPT.append(library)


def _add_fallback() -> None:
    def fallback(self: Any, function: Any, dispatch_key: str = "", *, with_keyset: bool = False) -> None:
        assert function is torch.library.fallthrough_kernel, "2.4 knows no other fallback"
        self.m.fallback_fallthrough(dispatch_key)

    Library.fallback = fallback


def _knows_no_meta_module() -> bool:
    """Whether checkpointing looks for a module of the device's random state, and finds none."""
    from torch.utils.checkpoint import _get_device_module

    try:
        _get_device_module("meta")
    except AttributeError:
        return True
    return False


def _add_meta_module() -> None:
    sys.modules["torch.meta"] = torch.meta = ModuleType("torch.meta")


def _counts_no_grouped_heads() -> bool:
    try:
        flop_counter.sdpa_flop_count((1, 2, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1))
    except AssertionError:
        return True
    return False


def _count_grouped_heads() -> None:
    """Key and value heads are broadcast to the query's (as newer versions count them)."""
    for name in ("sdpa_flop_count", "sdpa_backward_flop_count"):
        original = getattr(flop_counter, name)

        def expanded(*shapes: Any, original: Any = original) -> int:
            heads = shapes[-3][1]  # query, key and value come last
            grouped = [(shape[0], heads, *shape[2:]) for shape in shapes[-2:]]
            return int(original(*shapes[:-2], *grouped))

        setattr(flop_counter, name, expanded)


ROWS = (
    Row(
        what="aten._grouped_mm",
        is_missing=lambda: not hasattr(torch.ops.aten, "_grouped_mm"),
        supply=_define_grouped_mm,
    ),
    Row(
        what=f"aten.{_FLASH} for meta tensors",
        is_missing=lambda: not torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{_FLASH}", "Meta"),
        supply=_register_flash,
    ),
    Row(
        what="torch.library.Library.fallback",
        is_missing=lambda: not hasattr(Library, "fallback"),
        supply=_add_fallback,
    ),
    Row(
        what="checkpointing of meta tensors",
        is_missing=_knows_no_meta_module,
        supply=_add_meta_module,
    ),
    Row(
        what="FLOPs of attention with grouped heads",
        is_missing=_counts_no_grouped_heads,
        supply=_count_grouped_heads,
    ),
)
