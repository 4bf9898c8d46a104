"""From torch.profiler's event tree to the blocks that a step took: with their operators, modules and phases.

The tree is walked once; what it says is fed to the same ledger that the rehearsal writes, so that a measured timeline
and a predicted one speak one language.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch

from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.profiling.ranges import LEFT, LOSS, MODULE, PHASE, PREFIX
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Context:
    """Where in the tree an event stands."""

    stack: tuple[str, ...] = ()
    """Paths of the modules at work, outermost first."""
    in_loss: bool = False
    node: tuple[int, int] | None = None
    """(thread that made it, sequence number) of the autograd node at work, inside no module."""
    op: str = ""
    """The outermost operator that does work of its own."""
    in_operator: bool = False
    caller: "_Context | None" = None
    """Outside the innermost of our ranges."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class _Item:
    """One thing that happened."""

    time: int
    order: int
    kind: str = field(compare=False)
    thread: int = field(compare=False)
    number: int = field(default=0, compare=False)
    """Of a phase or a sequence number."""
    bytes: int = field(default=0, compare=False)
    """Taken, or, below 0, given back."""
    address: int = field(default=0, compare=False)
    context: _Context = field(default=_Context(), compare=False)


_MEMORY, _STACK = "memory", "stack"


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
    On the CPU, what is taken outside every operator is host-only (see `Measurement.host_bytes`). CUDA's allocator
    tells the profiler sizes that it has rounded; `requested` (address -> sizes, in order) says what was asked for.
    `left`: what is known of the blocks that are there at the end.
    """
    items = sorted(_items(profiler, device))
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

    def take(self, item: _Item) -> None:
        """Write one item down."""
        phase = self.ledger.phase
        if item.kind == PHASE:
            self._enter(self._instants[item.number + 1])
        elif item.kind == LOSS and phase in (Phase.FORWARD, Phase.LOSS):
            self.ledger.enter(phase_of_loss(bool(item.number)), self.ledger.step)
        elif item.kind == _STACK and phase is Phase.BACKWARD:
            self.ledger.new_span(is_forward=bool(item.number))
        elif item.kind == _MEMORY:
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

    def _born(self, item: _Item) -> None:
        if self._host_apart and not item.context.in_operator:
            self._host[item.address] = item.bytes
            self._host_level += item.bytes
            self.host_peak = max(self.host_peak, self._host_level)
            return
        module, in_loss = self._where(item.context)
        self._live[item.address] = self.ledger.born(
            item.bytes, module=module, op=item.context.op, category=Category.LOGITS if in_loss else None
        )

    def _freed(self, item: _Item) -> None:
        if item.address in self._host:
            self._host_level -= self._host.pop(item.address)
        elif item.address in self._live:
            self.ledger.freed(self._live.pop(item.address))

    def _where(self, context: _Context) -> Owner:
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


def _owners(items: Iterable[_Item]) -> dict[int, _Owners]:
    found: dict[int, _Owners] = {}
    for item in items:
        if item.kind == MODULE:
            context = item.context
            owner = (context.stack[-1] if context.stack else OUTSIDE, context.in_loss)
            found.setdefault(item.thread, _Owners()).note(item.number, owner)
    return found


def _items(profiler: Any, device: str) -> Iterator[_Item]:
    """Everything in the tree that matters, in the order of the walk."""
    results = profiler.profiler.kineto_results
    makers = _makers(results.events())
    # Children after their parents, and on one stack: a tree can be deeper than Python's recursion.
    waiting = [(root, _Context()) for root in reversed(results.experimental_event_tree())]
    order = 0
    while waiting:
        event, context = waiting.pop()
        order += 1
        inside = context
        if event.tag == torch._C._profiler._EventType.Allocation:
            yield from _memory(event, order, context, device)
        elif event.name.startswith(PREFIX + "|"):
            items, inside = _range(event, order, context)
            yield from items
        elif event.tag == torch._C._profiler._EventType.TorchOp:
            inside = _inside(event, context, makers)
        waiting += [(child, inside) for child in reversed(event.children)]


def _as_requested(items: Iterable[_Item], requested: Mapping[int, Sequence[int]]) -> Iterator[_Item]:
    """Blocks as large as they were asked for: the nth at an address is the nth that was asked for there."""
    waiting = {address: deque(sizes) for address, sizes in requested.items()}
    for item in items:
        if item.kind == _MEMORY and item.bytes > 0 and waiting.get(item.address):
            yield replace(item, bytes=waiting[item.address].popleft())
        else:
            yield item


def _memory(event: Any, order: int, context: _Context, device: str) -> Iterator[_Item]:
    fields = event.extra_fields
    if fields.device.type == device:
        yield _Item(
            time=event.start_time_ns, order=order, kind=_MEMORY, thread=event.start_tid,
            bytes=fields.alloc_size, address=fields.ptr, context=context,
        )  # fmt: skip


def _range(event: Any, order: int, context: _Context) -> tuple[list[_Item], _Context]:
    """One of our own ranges: what it tells, and the context inside it."""
    _, kind, digits, path = event.name.split("|", 3)
    number = int(digits)
    at = {"order": order, "thread": event.start_tid}
    if kind == PHASE:
        return [_Item(time=event.start_time_ns, kind=PHASE, number=number, **at)], context
    if kind == LEFT:  # stands inside the range that is left: from here on nodes are the caller's
        outer = context.caller or _Context()
        return [_Item(time=event.start_time_ns, kind=MODULE, number=number, context=outer, **at)], context
    # A module made on the fly has no name of its own: its work belongs to whoever called it.
    caller = context.stack[-1] if context.stack else OUTSIDE
    inner = _Context(
        stack=(*context.stack, path or caller), in_loss=context.in_loss or kind == LOSS, caller=context
    )
    items = [_Item(time=event.start_time_ns, kind=MODULE, number=number, context=inner, **at)]
    for edge, inside in ((event.start_time_ns, 1), (event.end_time_ns, 0)):
        if kind == LOSS:
            items.append(_Item(time=edge, kind=LOSS, number=inside, **at))
        elif not context.stack:
            items.append(_Item(time=edge, kind=_STACK, number=inside, **at))
    return items, inner


def _inside(event: Any, context: _Context, makers: Mapping[tuple[int, int], int]) -> _Context:
    """The context inside an operator or an autograd node."""
    if event.name.startswith(_ENGINE) and not context.stack:
        maker = makers.get((event.start_time_ns, event.extra_fields.sequence_number), event.start_tid)
        return replace(context, node=(maker, event.extra_fields.sequence_number), op="")
    if not _is_operator(event.name):
        return context
    op = context.op
    if not op and not _is_composite(event.name, event.overload_name):
        op = event.name.replace("::", ".", 1)
    return replace(context, in_operator=True, op=op)


_ENGINE = "autograd::engine::evaluate_function"
"""The engine's range around a node: the node's own work, and the sums of gradients that meet."""


def _makers(events: Iterable[Any]) -> dict[tuple[int, int], int]:
    """(start, sequence number) of an autograd node's run -> the thread on which the node was made."""
    return {
        (event.start_ns(), event.sequence_nr()): event.fwd_thread_id()
        for event in events
        if event.fwd_thread_id() and event.sequence_nr() >= 0
    }


def _is_operator(name: str) -> bool:
    return "::" in name and not name.startswith(("autograd::", "profiler::"))


@cache
def _is_composite(name: str, overload: str) -> bool:
    """Whether an operator only calls others, so that a dispatch mode never sees it.

    Some that could be composed have kernels of their own for CPU and CUDA: those do the work themselves.
    """
    namespace, _, base = name.partition("::")
    try:
        # A profile does not always tell the overload; the first stands for all of a name.
        first = overload or getattr(getattr(torch.ops, namespace), base).overloads()[0]
        operator = f"{name}.{first}".removesuffix(".default")
        has = torch._C._dispatch_has_kernel_for_dispatch_key
        return bool(has(operator, "CompositeImplicitAutograd") and not has(operator, "CPU"))
    except (AttributeError, RuntimeError):  # no operator of the dispatcher
        return False
