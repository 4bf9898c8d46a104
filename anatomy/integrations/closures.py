"""Functions that hold on to a model: deepcopy keeps them as they are, so that a copied model would run the original.

Libraries put such functions on a module: `forward` replaced by a closure over the old one (TRL's fused head).
"""

from collections.abc import Mapping
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

import torch
from torch import nn

from anatomy.errors import RehearsalError

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
"""Attributes of a module that hold its hooks by number."""

_DEEP = 6
"""Functions within functions to look into."""


def rebind_all(model: nn.Module, twin: nn.Module, memo: Mapping[int, Any]) -> None:
    """Bind every function on `twin`'s modules to the twin. `memo`: id of an original -> its copy, as of deepcopy.

    Raises RehearsalError where a function holds the live model in a way that cannot be rebound.
    """
    live = {id(module) for module in model.modules()}
    for path, module in twin.named_modules():
        for name, value in list(vars(module).items()):
            if not reaches(value, live):
                continue
            vars(module)[name] = bound = rebound(value, memo)
            if reaches(bound, live):
                raise RehearsalError(
                    f"{name} of {path or 'the model'} is a function that holds the live model."
                )


def reaches(value: Any, live: set[int], depth: int = _DEEP) -> bool:
    """Whether calling `value` leads to what has an id in `live`, as far as closures tell."""
    if isinstance(value, (nn.Module, torch.Tensor)):
        return depth < _DEEP and id(value) in live
    return depth > 0 and any(reaches(item, live, depth - 1) for item in _held(value))


def rebound(value: Any, memo: Mapping[int, Any], depth: int = _DEEP) -> Any:
    """`value` with copies in the place of the originals that it holds."""

    def again(item: Any) -> Any:
        return rebound(item, memo, depth - 1)

    if depth == 0:
        return value
    if isinstance(value, (nn.Module, torch.Tensor)):
        return memo.get(id(value), value)
    if isinstance(value, MethodType):
        return MethodType(again(value.__func__), again(value.__self__))
    if isinstance(value, partial):
        keywords = {name: again(item) for name, item in value.keywords.items()}
        return partial(again(value.func), *map(again, value.args), **keywords)
    if isinstance(value, FunctionType) and value.__closure__:
        cells = [CellType(again(c.cell_contents)) if _is_filled(c) else c for c in value.__closure__]
        copy = FunctionType(
            value.__code__, value.__globals__, value.__name__, value.__defaults__, tuple(cells)
        )
        copy.__kwdefaults__ = value.__kwdefaults__
        vars(copy).update({name: again(item) for name, item in vars(value).items()})
        return copy
    return value


def _held(value: Any) -> list[Any]:
    if isinstance(value, MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, FunctionType):
        return [
            *(cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)),
            *vars(value).values(),
        ]
    return []


def _is_filled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that is not bound yet
        return False
