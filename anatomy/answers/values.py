"""Real values for the small tensors of a rehearsal that depend on no weight: ids, masks, positions.

A meta tensor has no data, yet models ask: is anything padded? which rows hold the end token? Each tensor made from
known ones (or from a constant) gets its value computed beside it on the CPU, so that such a question is answered
with the truth. What depends on weights or activations has no value, and a question about it is refused.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

LARGEST = 2**24
"""Bytes of booleans above which a value is not followed (16 MiB are a 4096 x 4096 mask)."""
LARGEST_NUMBERS = 2**26
"""The same for integers and floating-point numbers that are made of known ones: masks of an image's tiles, pixel by pixel."""
LARGEST_MADE = 2**20
"""The same for floating-point numbers made of nothing: a state of zeros is not asked about."""

_ATTRIBUTE = "_anatomy_value"
_UNDEFINED = frozenset({torch.ops.aten.empty.memory_format, torch.ops.aten.empty_strided.default})
_ALIKE = frozenset(
    getattr(torch.ops.aten, name).default
    for name in ("new_ones", "new_zeros", "new_full", "ones_like", "zeros_like", "full_like")
)
"""Made in the likeness of a tensor, whose own data does not matter."""
_FILLS: dict[Any, Callable[[tuple[Any, ...]], Any]] = {
    **{op: lambda args: 0 for op in (torch.ops.aten.zeros.default, torch.ops.aten.zeros_like.default)},
    **{op: lambda args: 1 for op in (torch.ops.aten.ones.default, torch.ops.aten.ones_like.default)},
    torch.ops.aten.new_zeros.default: lambda args: 0,
    torch.ops.aten.new_ones.default: lambda args: 1,
    torch.ops.aten.full.default: lambda args: args[1],
    torch.ops.aten.full_like.default: lambda args: args[1],
    torch.ops.aten.new_full.default: lambda args: args[2],
}
"""What gives every element one number -> that number, of its arguments."""
_SMALL = 4096
"""Elements up to which such a tensor is laid out at once."""
_UNIFORM = "_anatomy_uniform"
"""Marks a value that is one number, seen everywhere: nobody may write into it, nor look at a part of it to write there.
An optimizer's states are such, by the gigabyte, and are not asked about."""
_COPIES = frozenset({torch.ops.aten._to_copy.default})
_RANDOM = torch.Tag.nondeterministic_seeded


def remember(tensor: torch.Tensor, value: torch.Tensor) -> None:
    """From now on the meta tensor's data is known to be `value`'s, a CPU tensor alike in shape and dtype."""
    setattr(tensor, _ATTRIBUTE, value)


def remembered(tensor: torch.Tensor) -> torch.Tensor | None:
    """What was remembered of the tensor, whatever was written into it since."""
    value: torch.Tensor | None = getattr(tensor, _ATTRIBUTE, None)
    return value


class UnknownValueError(Exception):
    """A value was asked for that depends on weights or activations."""


class Values:
    """The values known so far. Held on the tensors themselves, so they go when the tensors go."""

    def __init__(self) -> None:
        # Storages of values that an operation with unknown operands has overwritten.
        self._spoiled: dict[int, torch.UntypedStorage] = {}

    def of(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """The CPU tensor with `tensor`'s data, or None when it is not known."""
        if tensor.device.type == "cpu":
            return tensor
        value: torch.Tensor | None = getattr(tensor, _ATTRIBUTE, None)
        if value is None or value.untyped_storage()._cdata in self._spoiled:
            return None
        return value

    def follow(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """After `func` ran on meta: compute the same on the known values, if all of them are known."""
        if func._schema.is_mutable:
            self._follow_mutation(func, args, kwargs)
        elif func in _UNDEFINED or (func not in _ALIKE and self._lacks_any(args)):
            return  # mostly so, and told here without walking through all that came and went
        elif isinstance(out, torch.Tensor):
            worth = _worth_following(out, func, args) or _costs_nothing(func, args, out)
            if worth and _RANDOM not in func.tags:
                self._attach(func, args, kwargs, [out])
        elif isinstance(out, (tuple, list)) and _RANDOM not in func.tags:
            tensors = [o for o in out if isinstance(o, torch.Tensor)]
            if tensors and all(_worth_following(t, func, args) for t in tensors):
                self._attach(func, args, kwargs, tensors)

    def answer(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run `func` on the known values. Raises UnknownValueError when an operand's value is not known."""

        def known(tensor: torch.Tensor) -> torch.Tensor:
            value = self.of(tensor)
            if value is None and func in _ALIKE:
                return torch.empty((), dtype=tensor.dtype).expand(tensor.shape)
            if value is None:
                raise UnknownValueError
            return value

        schema = getattr(func, "_schema", None)
        if schema is not None and (schema.is_mutable or any(out.alias_info for out in schema.returns)):
            tree_map_only(torch.Tensor, known, args)  # raises before anything is laid out in vain
            tree_map_only(torch.Tensor, _lay_out, (args, kwargs))
        on_cpu = {**kwargs, "device": torch.device("cpu")} if "device" in kwargs else kwargs
        return func(*tree_map_only(torch.Tensor, known, args), **tree_map_only(torch.Tensor, known, on_cpu))

    def _lacks_any(self, args: tuple[Any, ...]) -> bool:
        return any(isinstance(arg, torch.Tensor) and self.of(arg) is None for arg in args)

    def _attach(self, func: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor]) -> None:
        fill = _FILLS.get(func)
        if fill is not None and tensors[0].numel() > _SMALL:
            remember(tensors[0], _uniform(fill(args), tensors[0]))
            return
        try:
            value = self.answer(func, args, kwargs)
        except UnknownValueError:
            return
        values = (
            [value] if isinstance(value, torch.Tensor) else [v for v in value if isinstance(v, torch.Tensor)]
        )
        for tensor, known in zip(tensors, values, strict=True):
            remember(tensor, known)

    def _follow_mutation(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        written = [t for t in _written(func, args, kwargs) if getattr(t, _ATTRIBUTE, None) is not None]
        if not written:
            return
        if _RANDOM not in func.tags:
            try:
                self.answer(func, args, kwargs)
            except UnknownValueError:
                pass
            else:
                return
        for tensor in written:
            storage = getattr(tensor, _ATTRIBUTE).untyped_storage()
            self._spoiled[storage._cdata] = storage


def _uniform(number: Any, like: torch.Tensor) -> torch.Tensor:
    """A value of `like`'s shape and dtype that is the same number everywhere, and takes no room."""
    value = torch.full((), number, dtype=like.dtype).expand(like.shape)
    setattr(value, _UNIFORM, True)
    return value


def _lay_out(tensor: torch.Tensor) -> torch.Tensor:
    """Give a tensor a value of its own to be written into, where it has one that is the same number everywhere."""
    value = getattr(tensor, _ATTRIBUTE, None)
    if value is not None and getattr(value, _UNIFORM, False):
        remember(tensor, value.clone(memory_format=torch.contiguous_format))
    return tensor


def _worth_following(tensor: torch.Tensor, func: Any, args: tuple[Any, ...]) -> bool:
    limit = LARGEST if tensor.dtype == torch.bool else LARGEST_NUMBERS
    made = func in _ALIKE or not any(isinstance(arg, torch.Tensor) for arg in args)
    if made and tensor.is_floating_point():
        limit = LARGEST_MADE
    return bool(tensor.device.type == "meta" and tensor.numel() * tensor.element_size() <= limit)


def _costs_nothing(func: Any, args: tuple[Any, ...], out: torch.Tensor) -> bool:
    """Whether `out`'s value is there already: a view's, and that of an input which came from the host as it was."""
    if out.device.type != "meta":
        return False
    if func._schema.returns[0].alias_info is not None:
        return True
    source = args[0] if args else None
    return (
        func in _COPIES
        and isinstance(source, torch.Tensor)
        and source.device.type == "cpu"
        and source.dtype == out.dtype
    )


def _written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """The tensors that `func` writes to, by its schema."""
    found = []
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is None or not argument.alias_info.is_write:
            continue
        value = args[position] if position < len(args) else kwargs.get(argument.name)
        found += [value] if isinstance(value, torch.Tensor) else list(value or [])
    return found
