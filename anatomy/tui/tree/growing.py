"""From a model's tree to the outline: read once, repeated layers laid out once and copied."""

from collections.abc import Iterable
from typing import Any

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.tree import ModuleNode, OwnParameter
from anatomy.dtypes import BY_NAME, DType
from anatomy.tui.tree.outline import Outline


def outline_of(anatomy: Anatomy) -> Outline:
    """The rows of a model. Its tree is read once, a repeated layer is laid out once."""
    dtype = _dtype(anatomy)
    outline = Outline(title=anatomy.architecture or anatomy.id, dtype=dtype.name if dtype else "")
    _Layout(outline, _signatures(anatomy.tree)).module(anatomy.tree, "", -1, 0, merge=False)
    return outline


def _dtype(anatomy: Anatomy) -> DType | None:
    """As `Anatomy.by_dtype` has it, without counting the model."""
    names = [anatomy.dtype or ""] if anatomy.stored is None else list(anatomy.stored.by_dtype)
    return BY_NAME.get(names[0]) if len(names) == 1 else None


def _signatures(tree: ModuleNode) -> dict[int, int]:
    """id of a module -> a number that it shares with every module that is the same, its own name aside."""
    numbers: dict[object, int] = {}
    found: dict[int, int] = {}

    def sign(node: ModuleNode) -> int:
        key: list[object] = [node.kind, node.component]
        for own in node.own:
            key += (own.name, own.shape, own.parts)
        start = len(node.path) + 1 if node.path else 0
        for child in node.children:
            key += (child.path[start:], sign(child))
        found[id(node)] = number = numbers.setdefault(tuple(key), len(numbers))
        return number

    sign(tree)
    return found


def _runs(children: Iterable[ModuleNode], signatures: dict[int, int]) -> list[list[ModuleNode]]:
    """Children, numbered neighbours that are the same together."""
    runs: list[list[ModuleNode]] = []
    before = None
    for child in children:
        mark = signatures[id(child)] if child.name.isdigit() else None
        if mark is not None and mark == before:
            runs[-1].append(child)
        else:
            runs.append([child])
        before = mark
    return runs


class _Layout:
    """Writes the columns of an outline, parents first."""

    def __init__(self, outline: Outline, signatures: dict[int, int]) -> None:
        self.to = outline
        self.signatures = signatures
        self.facets: dict[tuple[str, int, int, int], int] = {}

    def module(self, node: ModuleNode, segment: str, parent: int, depth: int, *, merge: bool = True) -> None:
        """A module and all inside; a bare list of equal layers as one group, unless it is itself a member."""
        runs = _runs(node.children, self.signatures)
        if merge and not node.own and len(runs) == 1 and len(runs[0]) > 1:
            self.group(node, runs[0], segment, parent, depth)
            return
        rows = len(node.own) > 1 or bool(node.own and node.children)
        item = self._append(segment, node, None, parent, depth, 0 if rows else node.own_parameters)
        for own in node.own if rows else ():
            count = sum(elements for _, elements in own.parts)
            self._append(own.name, node, own, item, depth + 1, count)
        for run in runs:
            if len(run) > 1:
                self.group(run[0], run, "", item, depth + 1)
            else:
                self.module(run[0], run[0].name, item, depth + 1)
        self.to.ends[item] = len(self.to)

    def group(self, node: ModuleNode, run: list[ModuleNode], segment: str, parent: int, depth: int) -> None:
        """A folded group: the first member is laid out, the others are copies of its rows."""
        item = self._append(segment, node, None, parent, depth, 0, times=len(run))
        self.module(run[0], run[0].name, item, depth + 1, merge=False)
        first = slice(item + 1, len(self.to))
        size = first.stop - first.start
        columns: tuple[list[Any], ...] = (
            *(self.to.nodes, self.to.owns, self.to.depths, self.to.times, self.to.counts),
        )
        for column in columns:
            column += column[first] * (len(run) - 1)
        segments, facets = self.to.segments[first], self.to.facets[first]
        parents, ends = self.to.parents[first], self.to.ends[first]
        for k, member in enumerate(run[1:], 1):
            copy = item + 1 + k * size
            self.to.segments.extend((member.name, *segments[1:]))
            self.to.facets.extend((self._facet(member.name, run[0], None, 1, copy), *facets[1:]))
            self.to.parents.extend((item, *[above + k * size for above in parents[1:]]))
            self.to.ends.extend([end + k * size for end in ends])
        self.to.ends[item] = len(self.to)

    def _append(
        self,
        segment: str,
        node: ModuleNode,
        own: OwnParameter | None,
        parent: int,
        depth: int,
        count: int,
        times: int = 1,
    ) -> int:
        to, item = self.to, len(self.to)
        to.segments.append(segment)
        to.nodes.append(node)
        to.owns.append(own)
        to.parents.append(parent)
        to.depths.append(depth)
        to.ends.append(item + 1)
        to.times.append(times)
        to.counts.append(count)
        to.facets.append(self._facet(segment, node, own, times, item))
        return item

    def _facet(self, segment: str, node: ModuleNode, own: OwnParameter | None, times: int, item: int) -> int:
        key = (segment, id(node), id(own), times)
        if key not in self.facets:
            self.facets[key] = len(self.facets)
            self.to.samples.append(item)
        return self.facets[key]
