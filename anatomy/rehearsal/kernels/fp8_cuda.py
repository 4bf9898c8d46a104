"""Products with FP8 weights on CUDA, for meta tensors: transformers calls kernels that another package brings.

Source: transformers 5.23, integrations/finegrained_fp8.py. The Triton kernel quantizes its input as it reads it and
takes nothing but its output; where DeepGEMM runs, the input in fp8 (a byte each) is there for a moment as well. Its
backward is transformers' own code, which runs here as it is: the weight in 16 bits.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

LIBRARY = "transformers.integrations.finegrained_fp8"


@contextmanager
def own_products() -> Iterator[None]:
    """While active, meta tensors are multiplied with FP8 weights. Does nothing before transformers has imported them."""
    library: Any = sys.modules.get(LIBRARY)
    if library is None:
        yield
        return
    original: Any = library.fp8_linear

    def fp8_linear(
        tensor: torch.Tensor,
        weight: torch.Tensor,
        scales: Any,
        size: Any = None,
        bias: Any = None,
        *rest: Any,
    ) -> torch.Tensor:
        if not tensor.is_meta:
            kept: torch.Tensor = original(tensor, weight, scales, size, bias, *rest)
            return kept
        stand_in = tensor.new_empty(1).expand(weight.shape)  # of the weight's shape, without its memory
        out = torch.nn.functional.linear(tensor, stand_in)
        return out if bias is None else out.add_(bias)

    library.fp8_linear = fp8_linear
    try:
        yield
    finally:
        library.fp8_linear = original
