"""One layer of a model as a diagram: its modules with their shapes, in the order in which they ran."""

from collections.abc import Iterator, Mapping, Sequence

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.fold import Folded, fold
from anatomy.documents.document import Diagram, Stage
from anatomy.memory.timeline import Phase
from anatomy.planning.plan import Plan

SHOWN = 3
"""Layers of so many kinds are drawn, those with the most parameters."""
AS_RAN = (
    "The arrows are the order in which the modules ran in the rehearsed step, not the data flow: residual "
    "connections and what modules do between these are not drawn."
)
AS_LISTED = (
    "The arrows are the order in which the model lists its modules, which need not be the order in which they run; "
    "residual connections are not drawn."
)

Order = Mapping[str, int]
"""Path of a module -> when it first made something."""


def order_of(plan: Plan) -> Order:
    """When each module of the bare model first made a block in forward of the first step; empty where that is not known."""
    owners = {} if plan.owned is None else plan.owned.owners
    timeline, found = plan.replay.timeline, dict[str, int]()
    starts = [*(mark.at for mark in timeline.marks[1:]), len(timeline.trace)]
    for mark, stop in zip(timeline.marks, starts, strict=True):
        if (mark.phase, mark.step) == (Phase.FORWARD, 1):
            for index in range(mark.at, stop):
                entry = timeline.trace[index]
                if entry >= 0 and (path := owners.get(timeline.blocks[entry].module)):
                    found.setdefault(path, index)
    return found


def layer_diagrams(anatomy: Anatomy, order: Order | None = None) -> tuple[Diagram, ...]:
    """A layer of each kind that is repeated, as the model lists them; none where nothing is."""
    layers = sorted(_layers(fold(anatomy.tree)), key=lambda layer: -layer.parameters)[:SHOWN]
    return tuple(_diagram(layer, order or {}) for layer in sorted(layers, key=lambda layer: layer.node.path))


def _layers(at: Folded) -> Iterator[Folded]:
    """The outermost runs of identical modules that hold others."""
    for child in at.children:
        if child.times > 1 and child.children:
            yield child
        else:
            yield from _layers(child)


def _diagram(layer: Folded, order: Order) -> Diagram:
    path = layer.node.path
    known = any(_first(node, order) is not None for node in layer.children)
    stands_for = f"{path.rpartition('.')[0]}.{layer.label}".removeprefix(".")
    return Diagram(
        title=f"{stands_for}: one of {layer.times} alike, {layer.node.parameters:,} parameters",
        stage=_stage(layer, order if known else {}, label=path, times=1),
        caption=AS_RAN if known else AS_LISTED,
    )


def _stage(at: Folded, order: Order, label: str, times: int) -> Stage:
    inner = tuple(
        _stage(child, order, child.label + (f" × {child.times}" if child.times > 1 else ""), child.times)
        for child in _ordered(at.children, order)
        if child.parameters or child.node.path in order
    )
    node = at.node
    return Stage(
        label=label,
        kind=node.kind,
        shapes=tuple((own.name, own.shape) for own in node.own),
        parameters=times * node.parameters,
        inner=inner,
    )


def _ordered(children: Sequence[Folded], order: Order) -> list[Folded]:
    """As they ran; those of which that is not known behind them, as they are listed."""
    last = len(order) and max(order.values()) + 1
    first = {child.node.path: _first(child, order) for child in children}
    return sorted(children, key=lambda child: last if (at := first[child.node.path]) is None else at)


def _first(at: Folded, order: Order) -> int | None:
    return min((order[node.path] for node in at.node.walk() if node.path in order), default=None)
