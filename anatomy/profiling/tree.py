"""torch.profiler's event tree, walked once: what happened, and where in the program."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch

from anatomy.profiling.ranges import LEFT, LOSS, MODULE, PHASE, PREFIX
from anatomy.rehearsal.attribution import OUTSIDE


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Where in the tree an event stands."""

    stack: tuple[str, ...] = ()
    """Paths of the modules at work, outermost first."""
    in_loss: bool = False
    node: tuple[int, int] | None = None
    """(thread that made it, sequence number) of the autograd node at work, inside no module."""
    op: str = ""
    """The outermost operator that does work of its own."""
    caller: "Context | None" = None
    """Outside the innermost of our ranges."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Item:
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
    context: Context = field(default=Context(), compare=False)


MEMORY, STACK = "memory", "stack"


def items_of(profiler: Any, device: str) -> Iterator[Item]:
    """Everything in the tree that matters, in the order of the walk."""
    results = profiler.profiler.kineto_results
    makers = _makers(results.events())
    # Children after their parents, and on one stack: a tree can be deeper than Python's recursion.
    waiting = [(root, Context()) for root in reversed(results.experimental_event_tree())]
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


def _memory(event: Any, order: int, context: Context, device: str) -> Iterator[Item]:
    fields = event.extra_fields
    if fields.device.type == device:
        yield Item(
            time=event.start_time_ns, order=order, kind=MEMORY, thread=event.start_tid,
            bytes=fields.alloc_size, address=fields.ptr, context=context,
        )  # fmt: skip


def _range(event: Any, order: int, context: Context) -> tuple[list[Item], Context]:
    """One of our own ranges: what it tells, and the context inside it."""
    _, kind, digits, path = event.name.split("|", 3)
    number = int(digits)
    at = {"order": order, "thread": event.start_tid}
    if kind == PHASE:
        return [Item(time=event.start_time_ns, kind=PHASE, number=number, **at)], context
    if kind == LEFT:  # stands inside the range that is left: from here on nodes are the caller's
        outer = context.caller or Context()
        return [Item(time=event.start_time_ns, kind=MODULE, number=number, context=outer, **at)], context
    # A module made on the fly has no name of its own: its work belongs to whoever called it.
    caller = context.stack[-1] if context.stack else OUTSIDE
    inner = Context(
        stack=(*context.stack, path or caller), in_loss=context.in_loss or kind == LOSS, caller=context
    )
    items = [Item(time=event.start_time_ns, kind=MODULE, number=number, context=inner, **at)]
    for edge, inside in ((event.start_time_ns, 1), (event.end_time_ns, 0)):
        if kind == LOSS:
            items.append(Item(time=edge, kind=LOSS, number=inside, **at))
        elif not context.stack:
            items.append(Item(time=edge, kind=STACK, number=inside, **at))
    return items, inner


def _inside(event: Any, context: Context, makers: Mapping[tuple[int, int], int]) -> Context:
    """The context inside an operator or an autograd node."""
    if event.name.startswith(_ENGINE) and not context.stack:
        maker = makers.get((event.start_time_ns, event.extra_fields.sequence_number), event.start_tid)
        return replace(context, node=(maker, event.extra_fields.sequence_number), op="")
    if not _is_operator(event.name):
        return context
    if context.op:
        return context
    if _is_composite(event.name, event.overload_name):
        return context
    return replace(context, op=event.name.replace("::", ".", 1))


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
