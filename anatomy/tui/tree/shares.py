"""What rows have of a planned run: module shares added up over all that a row stands for."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import NamedTuple

from anatomy.dtypes import BY_NAME
from anatomy.memory.timeline import Category
from anatomy.planning.modules import HeldParameter, ModuleShare
from anatomy.tui.tree.outline import Outline, Row

_WHOLE = frozenset({"float64", "float32", "bfloat16", "float16", "complex64"})
"""dtypes of weights that are not quantized."""


class Shares:
    """A plan's modules on an outline. Sums over a subtree are differences of running sums."""

    def __init__(self, outline: Outline, modules: Mapping[str, ModuleShare]) -> None:
        known = outline.modules
        self.outline = outline
        self.by_item = {known[path]: share for path, share in modules.items() if path in known}
        """Item -> what its module has itself. A module that the outline lacks counts for the one around it."""
        for path in modules.keys() - known.keys():
            item = self._around(path)
            self.by_item[item] = _together(self.by_item.get(item, ModuleShare()), modules[path])

    def _around(self, path: str) -> int:
        while path not in self.outline.modules:
            path = path.rpartition(".")[0]
        return self.outline.modules[path]

    @cached_property
    def peak_bytes(self) -> int:
        """Bytes in use at the peak, of all modules."""
        return sum(share.peak_bytes for share in self.by_item.values())

    def held(self, item: int) -> tuple[HeldParameter, ...]:
        """What one module holds itself; of a parameter's row that parameter."""
        own = self.outline.owns[item]
        share = self.by_item.get(item if own is None else self.outline.parents[item])
        found = share.held if share else ()
        return found if own is None else tuple(held for held in found if held.name == own.name)

    def held_by(self, row: Row) -> dict[HeldParameter, int]:
        """What the modules that a row stands for hold themselves -> how many of them."""
        return Counter(held for item in self.outline.modules_of(row) for held in self.held(item))

    def peak(self, row: Row) -> dict[Category, int]:
        """Bytes in use at the peak by category, of the row and all inside; none of a parameter's row."""
        found = {category: self._over(row, sums) for category, sums in self._peaks.items()}
        return {category: found[category] for category in Category if found.get(category)}

    def peak_total(self, row: Row) -> int:
        """The same, all categories."""
        return self._over(row, self._peak)

    def flops(self, row: Row) -> int:
        """Forward and backward of one optimizer step, of the row and all inside."""
        return self._over(row, self._flops[0])

    def recomputed_flops(self, row: Row) -> int:
        """Forward run again because of checkpointing."""
        return self._over(row, self._flops[1])

    def counts(self, row: Row) -> "Counts":
        """Elements that a row and all inside hold, by what is done with them."""
        if self.outline.owns[row.item] is None:
            return Counts(*(self._over(row, sums) for sums in self._counts))
        held = [(held, times * prod(held.shape)) for held, times in self.held_by(row).items()]
        return Counts(
            trainable=sum(count for parameter, count in held if parameter.trainable),
            frozen=sum(count for parameter, count in held if not parameter.trainable),
            adapters=sum(count for parameter, count in held if parameter.adapter),
            quantized=sum(count for parameter, count in held if is_quantized(parameter)),
        )

    def _over(self, row: Row, sums: list[int]) -> int:
        size = self.outline.ends[row.item] - row.item
        return sum([sums[start + size] - sums[start] for start in row.starts()])

    @cached_property
    def _peaks(self) -> dict[Category, list[int]]:
        points: dict[Category, list[int]] = {}
        for item, share in self.by_item.items():
            for category, size in share.peak.items():
                if category not in points:
                    points[category] = [0] * len(self.outline)
                points[category][item] = size
        return {category: _running(column) for category, column in points.items()}

    @cached_property
    def _peak(self) -> list[int]:
        columns = self._peaks.values()
        return list(map(sum, zip(*columns, strict=True))) if columns else [0] * (len(self.outline) + 1)

    @cached_property
    def _flops(self) -> tuple[list[int], list[int]]:
        forward_backward, again = [0] * len(self.outline), [0] * len(self.outline)
        for item, share in self.by_item.items():
            forward_backward[item], again[item] = share.flops, share.recomputed_flops
        return _running(forward_backward), _running(again)

    @cached_property
    def _counts(self) -> tuple[list[int], ...]:
        columns = tuple([0] * len(self.outline) for _ in Counts._fields)
        trainable, frozen, adapters, quantized = columns
        for item, share in self.by_item.items():
            scaled = Category.QUANTIZATION in share.peak
            for held in share.held:
                count = prod(held.shape)
                (trainable if held.trainable else frozen)[item] += count
                if held.adapter:
                    adapters[item] += count
                elif is_quantized(held, with_state=scaled):
                    quantized[item] += count
        return tuple(_running(column) for column in columns)


class Counts(NamedTuple):
    """Elements as held, which of packed weights are fewer than they stand for."""

    trainable: int
    """Getting gradients, adapters included."""
    frozen: int
    adapters: int
    """Added by a method."""
    quantized: int


def _running(points: Iterable[int]) -> list[int]:
    return [0, *accumulate(points)]


def _together(one: ModuleShare, other: ModuleShare) -> ModuleShare:
    return ModuleShare(
        peak=Counter(one.peak) + Counter(other.peak),
        flops=one.flops + other.flops,
        recomputed_flops=one.recomputed_flops + other.recomputed_flops,
        held=one.held + other.held,
    )


def is_quantized(held: HeldParameter, *, with_state: bool = False) -> bool:
    """Whether a parameter of the base is held in a format of few bits, or packed in another's beside its scales.

    `with_state`: whether its module has a quantization state; a matrix of such a module is quantized.
    """
    if held.adapter:
        return False
    return held.dtype not in _WHOLE or (with_state and len(held.shape) > 1)


def held_bytes(parameters: Iterable[tuple[HeldParameter, int]]) -> int | None:
    """Bytes of so many of each parameter, before any rounding; None where a dtype is not known."""
    total = 0
    for held, times in parameters:
        dtype = BY_NAME.get(held.dtype)
        if dtype is None:
            return None
        total += times * dtype.bytes_for(prod(held.shape))
    return total
