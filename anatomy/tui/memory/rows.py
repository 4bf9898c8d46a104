"""The lines of the table of what is alive: categories, unfolded into components and modules."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from anatomy.memory.alive import Alive, Owned
from anatomy.memory.allocator import Replay
from anatomy.planning.words import bare
from anatomy.units import format_bytes

Key = tuple[str, ...]
"""What a row is about: (category,), (category, component) or (category, component, module)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AliveRow:
    """One line."""

    key: Key
    owned: Owned
    name: str
    """What it is called, without its parents."""
    unfolded: bool | None
    """Whether its parts follow; None for a module, which has none."""

    @property
    def depth(self) -> int:
        """0 for a category, 1 for a component, 2 for a module."""
        return len(self.key) - 1


def rows(alive: Alive, unfolded: Collection[Key] = (), *, by_name: bool = False) -> tuple[AliveRow, ...]:
    """What is alive, the parts of what is unfolded below it; the largest first, or by name."""
    return tuple(_below(alive, (), unfolded, by_name))


def _below(alive: Alive, parent: Key, unfolded: Collection[Key], by_name: bool) -> Iterator[AliveRow]:
    found = _split(alive, parent)
    for owned in sorted(found, key=lambda owned: _name(owned).casefold()) if by_name else found:
        key = _key(owned)
        leaf = owned.module is not None
        yield AliveRow(key=key, owned=owned, name=_name(owned), unfolded=None if leaf else key in unfolded)
        if key in unfolded and not leaf:
            yield from _below(alive, key, unfolded, by_name)


def _split(alive: Alive, parent: Key) -> Iterable[Owned]:
    if not parent:
        return alive.split()
    category = next(owner[0] for owner, _, _ in alive.present if owner[0] == parent[0])
    return alive.split(category, *parent[1:])


def _key(owned: Owned) -> Key:
    return tuple(part for part in (owned.category, owned.component, owned.module) if part is not None)


def _name(owned: Owned) -> str:
    if owned.module is not None:
        return bare(owned.module) or "(no module)"
    if owned.component is not None:
        return owned.component or "(no component)"
    return owned.category.value


def headline(replay: Replay, index: int) -> tuple[str, str]:
    """Two lines about an entry: what is running there, and what it does to the levels."""
    timeline, entry = replay.timeline, replay.timeline.trace[index]
    mark, block_id = timeline.mark_at(index), entry if entry >= 0 else ~entry
    block, size = timeline.blocks[block_id], replay.block_bytes[block_id]
    step = f"step {mark.step}" if mark.step else ""
    op = "" if block.op == mark.phase.value else block.op
    running = " · ".join(part for part in (step, mark.phase.value, bare(block.module), op) if part)
    deed = f"{'+' if entry >= 0 else '-'}{format_bytes(size)} {block.category.value}"
    return running, (
        f"{format_bytes(replay.allocated[index])} allocated, {format_bytes(replay.reserved[index])} reserved · "
        f"entry {index + 1:,} of {len(replay.allocated):,}: {deed}"
    )
