"""The parameters of a model as formats see them: matrices of rows and columns, and everything else."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.fused import Parts
from anatomy.architecture.tree import ModuleNode, OwnParameter
from anatomy.architecture.vocabulary import says

_TRANSPOSED = "Conv1D"
"""transformers' linear layer whose weight lies as [inputs, outputs]."""
_IN_BLOCKS = ("attention", "ffn", "experts", "mixer")
"""Families of components that a decoder's layers consist of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weight:
    """One parameter."""

    path: str
    """Module and name, e.g. 'model.layers.0.mlp.down_proj.weight'."""
    kind: str
    """Class of the module that owns it; '' when only headers are known."""
    shape: tuple[int, ...]
    parts: Parts
    """(component, elements), adding up to it."""
    copies: int
    """Matrices in it: the experts that a stacked one holds, and 1 of all else."""
    columns: int
    """Inputs of each matrix, the length of the rows that blocks are cut from; the length of what is no matrix."""

    @property
    def elements(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)

    @property
    def rows(self) -> int:
        """Outputs of all its matrices together."""
        return self.elements // self.columns if self.columns else 0

    @property
    def components(self) -> tuple[str, ...]:
        """What it is, one component or the several of a fused projection."""
        return tuple(name for name, _ in self.parts)

    @property
    def is_matrix(self) -> bool:
        """Whether it has two dimensions or more, those of length one in front aside."""
        return sum(1 for n in self.shape[:-1] if n > 1) > 0

    @property
    def is_linear(self) -> bool:
        """Whether it is the matrix of a linear layer, by the layer's class, or by its component without one."""
        if len(self.shape) != 2 or "bias" in self.name:
            return False
        if self.kind:
            return self.kind.endswith("Linear") or self.kind == _TRANSPOSED
        return self.in_block or self.components == ("head",)

    @property
    def is_expert(self) -> bool:
        """Whether it holds experts' matrices, stacked or one by one."""
        return self.components == ("experts.routed",) and self.is_matrix and "bias" not in self.name

    @property
    def in_block(self) -> bool:
        """Whether it is a matrix of attention, feed-forward, experts or a mixer, in a layer."""
        return self.is_matrix and all(name.partition(".")[0] in _IN_BLOCKS for name in self.components)

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition(".")[2]

    @property
    def owner(self) -> str:
        """The path of the module that owns it."""
        return self.path.rpartition(".")[0]

    @property
    def layer(self) -> int | None:
        """The number of the layer that it is in."""
        found = re.search(r"(?:^|\.)(\d+)\.", self.path)
        return int(found[1]) if found else None

    @property
    def words(self) -> tuple[str, ...]:
        """The segments of its path that say what it is, the innermost first."""
        return tuple(
            segment
            for segment in reversed(self.path.split("."))
            if segment not in ("weight", "bias") and not segment.isdigit()
        )


def weights_of(anatomy: Anatomy) -> Iterator[Weight]:
    """Every parameter, tied ones once."""
    for node in anatomy.tree.walk():
        for own in node.own:
            yield _weight(node, own, anatomy.facts.hidden_size)


def _weight(node: ModuleNode, own: OwnParameter, hidden: int | None) -> Weight:
    stacked = len(own.shape) == 3 and [component for component, _ in own.parts] == ["experts.routed"]
    return Weight(
        path=f"{node.path}.{own.name}".lstrip("."),
        kind=node.kind,
        shape=own.shape,
        parts=own.parts,
        copies=own.shape[0] if stacked else 1,
        columns=_columns(node.kind, own, stacked, hidden),
    )


def _columns(kind: str, own: OwnParameter, stacked: bool, hidden: int | None) -> int:
    """Inputs of a matrix. Stacked experts lie either way round: what goes down makes the model's width, the rest reads it."""
    if not own.shape:
        return 1
    if kind == _TRANSPOSED and len(own.shape) == 2:
        return own.shape[0]
    if stacked and hidden in own.shape[1:]:
        other = own.shape[1] if own.shape[2] == hidden else own.shape[2]
        return other if says(own.name, "down") else hidden or 1
    return own.shape[-1]
