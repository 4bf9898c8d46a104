"""Whether autograd keeps a tensor for backward."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

_NODES = 256
"""Nodes that are looked at: more than a few turns of any loop make."""


def is_saved(tensor: Tensor, *, by: Sequence[Tensor]) -> bool:
    """Whether a node among the last that made the tensors `by` has saved `tensor`, or a view of it."""
    storage = tensor.untyped_storage()._cdata
    return any(saved.untyped_storage()._cdata == storage for saved in _saved(by))


def _saved(ends: Sequence[Tensor]) -> Iterator[Tensor]:
    """What the nodes behind these tensors have saved, the latest first."""
    waiting: list[Any] = [end.grad_fn for end in ends if end.grad_fn is not None]
    met = {*waiting}
    while waiting and len(met) < _NODES:
        node = waiting.pop(0)
        values = (getattr(node, name) for name in dir(node) if name.startswith("_saved_"))
        yield from (value for value in values if isinstance(value, Tensor))
        behind = {next_ for next_, _ in node.next_functions if next_ is not None} - met
        met |= behind
        waiting += behind
