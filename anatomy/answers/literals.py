"""Tensors and Python's numbers: on meta torch forgets the numbers that a tensor is made of, and writes none into text."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only

from anatomy.answers.values import remember, remembered

_MAKERS = ("tensor", "as_tensor", "asarray")


@contextmanager
def literals_known() -> Iterator[None]:
    """Meanwhile scalars are written with their values where they are known, and tensors made of numbers have values.

    See `Values`: after `torch.tensor([1, 2], device="meta")` the two numbers are known.
    """
    with ExitStack() as stack:
        for name in _MAKERS:
            stack.enter_context(patch.object(torch, name, _remembering(getattr(torch, name))))
        stack.enter_context(patch.object(torch.Tensor, "__format__", _written(torch.Tensor.__format__)))
        yield


def _written(write: Callable[..., str]) -> Callable[..., str]:
    """f"expert_{index}" names a module: what is known of a scalar is written as a real one would be."""

    def written(tensor: torch.Tensor, how: str) -> str:
        known = remembered(tensor) if tensor.is_meta and tensor.dim() == 0 else None
        return write(tensor, how) if known is None else format(known.item(), how)

    return written


def _remembering(make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def made(data: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        out = make(data, *args, **kwargs)
        if out.device.type == "meta" and not isinstance(data, torch.Tensor):
            known = tree_map_only(torch.Tensor, _number, data)
            if not any(number is None for number in tree_leaves(known)):
                with _disable_current_modes():  # a recorder of host memory shall not take it for the run's
                    remember(out, make(known, *args, **{**kwargs, "device": "cpu"}))
        return out

    return made


def _number(tensor: torch.Tensor) -> Any:
    """A scalar's number; None where it is not known, or is no scalar."""
    known = remembered(tensor) if tensor.is_meta else tensor
    return None if known is None or known.dim() else known.item()
