"""Floating-point operations of what a rehearsal runs, by torch's own formulas. A multiply-add is two.

Counted are matrix products, convolutions and attention; causal attention counts as if nothing were masked, and
elementwise work counts nothing, as in torch.utils.flop_counter.FlopCounterMode.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True, kw_only=True, slots=True)
class Flops:
    """FLOPs of one optimizer step."""

    model: int
    """Forward and backward once: what model FLOPs utilization counts (PaLM, arXiv:2204.02311, appendix B)."""
    recomputed: int
    """Forward run again because of gradient checkpointing."""

    @property
    def hardware(self) -> int:
        """What the device does."""
        return self.model + self.recomputed

    def times(self, wanted: int, counted: int) -> "Flops":
        """Of `wanted` micro-batches, where `counted` were counted."""
        return Flops(model=self.model * wanted // counted, recomputed=self.recomputed * wanted // counted)


def total(parts: Iterable[Flops]) -> Flops:
    """Several, added up."""
    parts = tuple(parts)
    return Flops(
        model=sum(flops.model for flops in parts), recomputed=sum(flops.recomputed for flops in parts)
    )


Key = tuple[int, bool, str]
"""A step, whether forward is run again, and the path of the module at work."""


class FlopCounter:
    """Adds up FLOPs by step and module, recomputation apart."""

    def __init__(self) -> None:
        self._counted: Counter[Key] = Counter()

    def count(self, func: Any, args: Any, kwargs: Any, out: Any, key: Callable[[], "Key"]) -> None:
        """Add what one call of an operator costs, under `key()` where it costs anything."""
        formula = _FORMULAS.get(_name(func)) or flop_registry.get(func.overloadpacket)
        if formula is not None:
            args = [a for a in args if not isinstance(a, torch.dtype)]  # of mm.dtype, which no formula knows
            self._counted[key()] += int(formula(*args, **kwargs, out_val=out))

    def so_far(self) -> Counter["Key"]:
        """All that was counted, to be subtracted from what will be."""
        return self._counted.copy()

    def repeat(self, counted: Counter["Key"], times: int) -> None:
        """Add a difference of two counts, as many times."""
        for key, flops in counted.items():
            self._counted[key] += flops * times

    def of(self, step: int) -> Flops:
        """What one step came to."""
        return total(self.by_module(step).values())

    def by_module(self, step: int) -> dict[str, Flops]:
        """What one step came to, by the path of the module at work; '' outside every module."""
        paths = {path: None for number, _, path in self._counted if number == step}
        return {
            path: Flops(model=self._counted[step, False, path], recomputed=self._counted[step, True, path])
            for path in paths
        }


def _grouped_mm(a: torch.Tensor, b: torch.Tensor, *args: Any, **kwargs: Any) -> int:
    """Rows in groups, each times the matrix of its group; where both are 2-D, the groups divide the inner length."""
    rows = a.shape[:-1].numel() if a.dim() == 2 or b.dim() == 2 else a.shape[0] * a.shape[1]
    return int(2 * rows * a.shape[-1] * b.shape[-1])


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **kwargs: Any) -> int:
    """Scores, and their products with the values; grouped heads count as many as the query's."""
    return _scores(query, key) * int(2 * (query.shape[-1] + value.shape[-1]))


def _attention_backward(
    grad: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **kwargs: Any
) -> int:
    """The scores again, the gradients of scores, values, queries and keys."""
    return _scores(query, key) * int(2 * (3 * query.shape[-1] + 2 * value.shape[-1]))


def _scores(query: torch.Tensor, key: torch.Tensor) -> int:
    return int(query.shape[:-1].numel() * key.shape[-2])


_ATTENTION = tuple(
    f"_scaled_dot_product_{kernel}"
    for kernel in ("flash_attention", "efficient_attention", "cudnn_attention", "flash_attention_for_cpu")
)


def _linear(tensor: torch.Tensor, weight: torch.Tensor, *args: Any, **kwargs: Any) -> int:
    return int(2 * tensor.numel() * weight.shape[0])


def _gemm_4bit(tensor: torch.Tensor, packed: torch.Tensor, shape: Any, *args: Any, **kwargs: Any) -> int:
    """bitsandbytes' product with a packed weight that is `shape` (outputs, inputs) when unpacked."""
    return int(2 * tensor.numel() * shape[0])


_FORMULAS: dict[str, Callable[..., int]] = {
    "bitsandbytes::int8_linear_matmul": _linear,
    "aten::_grouped_mm": _grouped_mm,
    "aten::linear": _linear,
    "bitsandbytes::gemm_4bit": _gemm_4bit,
    **{f"aten::{name}": _attention for name in _ATTENTION},
    **{f"aten::{name}_backward": _attention_backward for name in _ATTENTION},
}
"""What torch's registry leaves out, or refuses for grouped heads before torch 2.13."""


@cache
def _name(func: Any) -> str:
    return str(func.name().partition(".")[0])
