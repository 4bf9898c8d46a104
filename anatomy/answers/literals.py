"""Tensors that a program makes of Python's numbers: on meta torch forgets them before any mode sees the tensor."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch

from anatomy.answers.values import remember

_MAKERS = ("tensor", "as_tensor", "asarray")


@contextmanager
def literals_known() -> Iterator[None]:
    """Meanwhile `torch.tensor([1, 2], device="meta")` makes a tensor whose values are known (see `Values`)."""
    with ExitStack() as stack:
        for name in _MAKERS:
            stack.enter_context(patch.object(torch, name, _remembering(getattr(torch, name))))
        yield


def _remembering(make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def made(data: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        out = make(data, *args, **kwargs)
        if out.device.type == "meta" and not _holds_tensors(data):
            remember(out, make(data, *args, **{**kwargs, "device": "cpu"}))
        return out

    return made


def _holds_tensors(data: Any) -> bool:
    if isinstance(data, (list, tuple)):
        return any(_holds_tensors(item) for item in data)
    return isinstance(data, torch.Tensor)
