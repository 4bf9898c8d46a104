"""From torch.profiler's event tree to the blocks that a step took: with their operators, modules and phases.

The tree is walked once; what it says is fed to the same ledger that the rehearsal writes, so that a measured timeline
and a predicted one speak one language.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.profiling.ranges import LOSS, MODULE, PHASE
from anatomy.profiling.tree import MEMORY, STACK, Context, Item, items_of
from anatomy.rehearsal.attribution import OUTSIDE, phase_of_loss
from anatomy.rehearsal.ledger import Ledger

Owner = tuple[str, bool]
"""Path of a module, and whether the loss was at work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A tensor that was there at some instant, by its address."""

    address: int
    bytes: int
    module: str
    category: Category


@dataclass(frozen=True, kw_only=True, slots=True)
class Instant:
    """What is known as a phase begins."""

    phase: Phase
    step: int
    held: tuple[Held, ...]
    """Parameters, gradients, states, to name the blocks that hold them."""


def observed_timeline(
    profiler: Any,
    instants: Sequence[Instant],
    *,
    device: str,
    component_of: Callable[[str], str],
    environment: Mapping[str, Any],
    left: Sequence[Held] = (),
    requested: Mapping[int, Sequence[int]] | None = None,
) -> tuple[Timeline, int]:
    """The blocks of `device` ('cpu' or 'cuda') in a finished torch.profiler.profile, and the peak of host-only bytes.

    `instants[0]` is the start, with what had been loaded before; the others are the phases that began, in order.
    On the CPU, what no operator takes is host-only (see `Measurement.host_bytes`). CUDA's allocator
    tells the profiler sizes that it has rounded; `requested` (address -> sizes, in order) says what was asked for.
    `left`: what is known of the blocks that are there at the end.
    """
    items = sorted(items_of(profiler, device))
    if requested is not None:
        items = list(_as_requested(items, requested))
    feed = _Feed(instants, _owners(items), host_apart=device == "cpu")
    for item in items:
        feed.take(item)
    feed.name(left)
    return feed.ledger.timeline(component_of, environment), feed.host_peak


class _Feed:
    """Items in the order of time, written into a ledger."""

    def __init__(
        self, instants: Sequence[Instant], owners: Mapping[int, "_Owners"], *, host_apart: bool
    ) -> None:
        self.ledger = Ledger()
        self.host_peak = 0
        self._instants = instants
        self._owners = owners
        self._host_apart = host_apart
        self._live: dict[int, int] = {}
        self._host: dict[int, int] = {}
        self._host_level = 0
        for held in instants[0].held:
            if held.address not in self._live:
                self._live[held.address] = self.ledger.born(
                    held.bytes, module=held.module, op="load", category=held.category
                )

    def take(self, item: Item) -> None:
        """Write one item down."""
        phase = self.ledger.phase
        if item.kind == PHASE:
            self._enter(self._instants[item.number + 1])
        elif item.kind == LOSS and phase in (Phase.FORWARD, Phase.LOSS):
            self.ledger.enter(phase_of_loss(bool(item.number)), self.ledger.step)
        elif item.kind == STACK and phase is Phase.BACKWARD:
            self.ledger.new_span(is_forward=bool(item.number))
        elif item.kind == MEMORY:
            (self._born if item.bytes > 0 else self._freed)(item)

    def name(self, known: Sequence[Held]) -> None:
        """Say what blocks that are alive hold."""
        for held in known:
            block = self._live.get(held.address)
            if block is not None and held.module:
                self.ledger.place(block, held.module, held.category)
            elif block is not None:
                self.ledger.label(block, held.category)

    def _enter(self, instant: Instant) -> None:
        self.name(instant.held)
        self.ledger.enter(instant.phase, instant.step)

    def _born(self, item: Item) -> None:
        if self._host_apart and not item.context.op:
            self._host[item.address] = item.bytes
            self._host_level += item.bytes
            self.host_peak = max(self.host_peak, self._host_level)
            return
        module, in_loss = self._where(item.context)
        self._live[item.address] = self.ledger.born(
            item.bytes, module=module, op=item.context.op, category=Category.LOGITS if in_loss else None
        )

    def _freed(self, item: Item) -> None:
        if item.address in self._host:
            self._host_level -= self._host.pop(item.address)
        elif item.address in self._live:
            self.ledger.freed(self._live.pop(item.address))

    def _where(self, context: Context) -> Owner:
        if context.stack:
            return context.stack[-1], context.in_loss
        if context.node is None:
            return OUTSIDE, context.in_loss
        thread, number = context.node
        owners = self._owners.get(thread)
        return (OUTSIDE, False) if owners is None else owners.at(number)


@dataclass(kw_only=True, slots=True)
class _Owners:
    """Whose autograd nodes are whose, on one thread: from each number on, an owner."""

    numbers: list[int] = field(default_factory=lambda: [-1])
    owners: list[Owner] = field(default_factory=lambda: [(OUTSIDE, False)])

    def note(self, number: int, owner: Owner) -> None:
        if self.numbers[-1] == number:
            self.owners[-1] = owner
        else:
            self.numbers.append(number)
            self.owners.append(owner)

    def at(self, number: int) -> Owner:
        return self.owners[bisect_right(self.numbers, number) - 1]


def _owners(items: Iterable[Item]) -> dict[int, _Owners]:
    found: dict[int, _Owners] = {}
    for item in items:
        if item.kind == MODULE:
            context = item.context
            owner = (context.stack[-1] if context.stack else OUTSIDE, context.in_loss)
            found.setdefault(item.thread, _Owners()).note(item.number, owner)
    return found


def _as_requested(items: Iterable[Item], requested: Mapping[int, Sequence[int]]) -> Iterator[Item]:
    """Blocks as large as they were asked for: the nth at an address is the nth that was asked for there.

    A block is never smaller than what was asked for; where one seems to be, the two histories are out of step and
    its rounded size stays.
    """
    waiting = {address: deque(sizes) for address, sizes in requested.items()}
    for item in items:
        if item.kind == MEMORY and item.bytes > 0 and waiting.get(item.address):
            asked = waiting[item.address].popleft()
            yield replace(item, bytes=asked) if 0 < asked <= item.bytes else item
        else:
            yield item
