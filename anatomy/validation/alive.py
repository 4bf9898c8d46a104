"""What a run that ended out of memory had in use."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anatomy.memory.footprint import Instant
from anatomy.memory.timeline import Category
from anatomy.profiling.record import Record
from anatomy.validation.comparison import measured_side
from anatomy.validation.sides import Side, without_loss


@dataclass(frozen=True, kw_only=True, slots=True)
class Holding:
    """Blocks alive together that one operator made, of one size and for one purpose."""

    category: Category
    op: str
    module: str
    """The module of one of them, as an example."""
    block_bytes: int
    """Bytes of each."""
    blocks: int

    @property
    def bytes(self) -> int:
        """All of them."""
        return self.block_bytes * self.blocks

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "category": self.category.value,
            "op": self.op,
            "module": self.module,
            "block_bytes": self.block_bytes,
            "blocks": self.blocks,
            "bytes": self.bytes,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Alive:
    """What was in use at an instant."""

    at: Instant
    by_category: Mapping[Category, int]
    """Bytes, in the vocabulary's order."""
    holdings: tuple[Holding, ...]
    """The most bytes first; they add up to the same."""

    @property
    def bytes(self) -> int:
        """All of it."""
        return sum(self.by_category.values())

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "bytes": self.bytes,
            "by_category": {category.value: size for category, size in self.by_category.items()},
            "holdings": [holding.to_dict() for holding in self.holdings],
        }


def alive_at_failure(record: Record) -> Alive | None:
    """What was in use at the highest level of the phase in which a run ended; None for one that did not, or unseen.

    The highest level, not the last entry: an exception on its way out lets go of what it passes.
    """
    failure = record.measurement.failure
    side = None if failure is None else measured_side(record)
    if failure is None or side is None:
        return None
    index = _highest(side, failure.step, {failure.phase, without_loss(failure.phase)})
    return Alive(at=side.instant(index), by_category=side.by_category(index), holdings=_holdings(side, index))


def _highest(side: Side, step: int, phases: set[Any]) -> int:
    """The entry with the highest level of a step's last such phase; of the whole trace where it has none."""
    for spell in reversed(side.spells):
        if spell.step == step and spell.phase in phases and spell.start < spell.end:
            return max(range(spell.start, spell.end), key=lambda index: side.levels[index + 1])
    return max(range(len(side.levels) - 1), key=lambda index: side.levels[index + 1])


def _holdings(side: Side, index: int) -> tuple[Holding, ...]:
    groups: defaultdict[tuple[Category, str, int], list[int]] = defaultdict(list)
    for block_id in side.alive(index):
        block = side.timeline.blocks[block_id]
        groups[block.category, block.op, side.sizes[block_id]].append(block_id)
    rows = (
        Holding(
            category=category,
            op=op,
            module=side.timeline.blocks[ids[0]].module,
            block_bytes=size,
            blocks=len(ids),
        )
        for (category, op, size), ids in groups.items()
    )
    return tuple(sorted(rows, key=lambda row: -row.bytes))
