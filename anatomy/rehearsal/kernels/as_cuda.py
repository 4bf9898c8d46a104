"""Libraries that choose their way by the device: what they ask of a meta tensor is answered as CUDA would.

A library's own question is told from anyone else's by who asks, so that torch, transformers and the recorder go on seeing
the meta device. `tensor.device` answers torch.device('cuda') there, and what is made on, or moved to, that device is put on
meta.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch.utils._pytree import tree_map_only

if TYPE_CHECKING:
    from anatomy.rehearsal.cuda import Target

LIBRARIES = ("liger_kernel.", "cut_cross_entropy.")
"""Beginnings of the names of modules that are answered so."""
_FACTORIES = (
    "arange empty empty_like empty_strided full full_like linspace ones ones_like rand randint randn zeros zeros_like"
).split()
"""Functions of torch that take a device."""


@contextmanager
def answering_as_cuda(target: "Target") -> Iterator[None]:
    """While active, LIBRARIES find a CUDA device of `target`'s kind."""
    device = torch.Tensor.device.__get__

    def device_of(tensor: Any) -> torch.device:
        found: torch.device = device(tensor)
        return torch.device("cuda", 0) if found.type == "meta" and _library_asks() else found

    def is_cuda(tensor: Any) -> bool:
        kind = device(tensor).type
        return bool(kind == "cuda" or (kind == "meta" and _library_asks()))

    with ExitStack() as stack:
        stack.enter_context(patch.object(torch.Tensor, "device", property(device_of)))
        stack.enter_context(patch.object(torch.Tensor, "is_cuda", property(is_cuda)))
        answers: list[tuple[Any, str, Callable[..., Any]]] = [
            *((torch.cuda, name, answer) for name, answer in _cuda(target).items()),
            *((torch, name, partial(_on_meta, getattr(torch, name))) for name in _FACTORIES),
            (torch, "tensor", partial(_number, torch.tensor)),
            (torch.Tensor, "to", partial(_on_meta, torch.Tensor.to)),
        ]
        for owner, name, answer in answers:
            stack.enter_context(patch.object(owner, name, _answering(getattr(owner, name), answer)))
        yield


def _cuda(target: "Target") -> dict[str, Callable[..., Any]]:
    """Functions of torch.cuda, as on a machine with the target."""
    major, minor = target.capability
    properties = SimpleNamespace(
        multi_processor_count=target.multiprocessors, major=major, minor=minor, name=target.name
    )
    return {
        "is_available": lambda *_: True,
        "current_device": lambda *_: 0,
        "device_count": lambda *_: 1,
        "get_device_capability": lambda *_: target.capability,
        "get_device_properties": lambda *_: properties,
        "device": lambda *_: nullcontext(),
    }


def _on_meta(function: Callable[..., torch.Tensor], *args: Any, **kwargs: Any) -> torch.Tensor:
    args, kwargs = tree_map_only(torch.device, _meta, (args, kwargs))
    return function(*args, **kwargs)


def _number(
    make: Callable[..., torch.Tensor], data: Any, *, device: Any = None, **kwargs: Any
) -> torch.Tensor:
    """torch.tensor() copies to its device where no mode sees it: here the copy is a step of its own."""
    made = make(data, **kwargs)
    return made if device is None else made.to(_meta(torch.device(device)))


def _meta(device: torch.device) -> torch.device:
    return torch.device("meta") if device.type == "cuda" else device


def _answering(original: Callable[..., Any], answer: Callable[..., Any]) -> Callable[..., Any]:
    def either(*args: Any, **kwargs: Any) -> Any:
        return (answer if _library_asks() else original)(*args, **kwargs)

    return either


def _library_asks() -> bool:
    """Whether the code that called our caller is a library's."""
    name = sys._getframe(2).f_globals.get("__name__", "")
    return isinstance(name, str) and name.startswith(LIBRARIES)
