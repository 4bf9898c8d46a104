"""What is alive after any entry of a replay, and who owns it; made for a cursor that moves."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from anatomy.memory.allocator import Replay
from anatomy.memory.timeline import Category

STRIDE = 16384
"""Entries between two states that are kept: half of that is the longest walk."""

Owner = tuple[Category, str, str]
"""(category, component, module) of a block."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """Blocks that are alive at one instant and belong together."""

    category: Category
    component: str | None
    """'' where no component owns them; None when all components of the category are taken together."""
    module: str | None
    """Path of the module that was running when they were born, '' where none was; None for all modules together."""
    bytes: int
    """Sum of the sizes that the allocator gave them."""
    blocks: int
    """How many; blocks of 0 bytes count as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alive:
    """What is alive after one entry."""

    index: int
    present: Sequence[tuple[Owner, int, int]]
    """(owner, bytes, blocks) of each that owns a block now."""

    def groups(self) -> tuple[Owned, ...]:
        """By category, component and module, largest first; adds up to `replay.allocated[index]`."""
        return _sorted(
            Owned(category=category, component=component, module=module, bytes=size, blocks=count)
            for (category, component, module), size, count in self.present
        )

    def split(self, category: Category | None = None, component: str | None = None) -> tuple[Owned, ...]:
        """The whole by category, a category by component, or a component of a category by module; largest first."""
        depth = 1 if category is None else 2 if component is None else 3
        chosen = (category, component)[: depth - 1]
        sums: dict[tuple[str, ...], tuple[int, int]] = {}
        for owner, size, count in self.present:
            if owner[: depth - 1] == chosen:
                before = sums.get(owner[:depth], (0, 0))
                sums[owner[:depth]] = before[0] + size, before[1] + count
        return _sorted(
            Owned(
                category=Category(key[0]),
                component=key[1] if depth > 1 else None,
                module=key[2] if depth > 2 else None,
                bytes=size,
                blocks=count,
            )
            for key, (size, count) in sums.items()
        )


class AliveCursor:
    """Walks through a replay, back and forth, from where it is or from the nearest state that was kept."""

    def __init__(self, replay: Replay) -> None:
        """Walks the whole replay once."""
        numbers: dict[Owner, int] = {}
        self.replay = replay
        self._owner_of = array(
            "l",
            [
                numbers.setdefault((block.category, block.component, block.module), len(numbers))
                for block in replay.timeline.blocks
            ],
        )
        self.owners: tuple[Owner, ...] = tuple(numbers)
        """Every owner of a block of the run."""
        self._done = 0
        self._bytes, self._blocks = (array("q", bytes(8 * len(numbers))) for _ in range(2))
        self._kept: list[tuple[array[int], array[int]]] = [(self._bytes[:], self._blocks[:])]
        for done in range(STRIDE, len(replay.allocated) + 1, STRIDE):
            self._walk(done)
            self._kept.append((self._bytes[:], self._blocks[:]))

    def at(self, index: int) -> Alive:
        """What is alive after entry `index`. Raises IndexError for an entry that did not run."""
        if not 0 <= index < len(self.replay.allocated):
            raise IndexError(f"entry {index} is not among the {len(self.replay.allocated)} that ran")
        nearest = min(len(self._kept) - 1, (index + 1 + STRIDE // 2) // STRIDE)
        if abs(index + 1 - nearest * STRIDE) < abs(index + 1 - self._done):
            kept = self._kept[nearest]
            self._bytes, self._blocks, self._done = kept[0][:], kept[1][:], nearest * STRIDE
        self._walk(index + 1)
        rows = zip(self.owners, self._bytes, self._blocks, strict=True)
        return Alive(index=index, present=tuple(row for row in rows if row[2]))

    def _walk(self, done: int) -> None:
        """Go to where so many entries are over. The sums forget in which order blocks came: no need to turn around."""
        sign = 1 if done >= self._done else -1
        owner_of, sizes, held, count = self._owner_of, self.replay.block_bytes, self._bytes, self._blocks
        for entry in self.replay.timeline.trace[min(done, self._done) : max(done, self._done)]:
            block, change = (entry, sign) if entry >= 0 else (~entry, -sign)
            owner = owner_of[block]
            held[owner] += change * sizes[block]
            count[owner] += change
        self._done = done


def alive_at(replay: Replay, index: int) -> tuple[Owned, ...]:
    """What is alive after entry `index`, by category, component and module, largest first.

    Adds up to `replay.allocated[index]`. Raises IndexError for an entry that did not run. Asked again and again, an
    `AliveCursor` answers sooner.
    """
    return AliveCursor(replay).at(index).groups()


def _sorted(owned: Iterable[Owned]) -> tuple[Owned, ...]:
    return tuple(
        sorted(owned, key=lambda row: (-row.bytes, row.category, row.component or "", row.module or ""))
    )
