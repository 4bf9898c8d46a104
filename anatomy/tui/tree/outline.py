"""A model as rows, top to bottom: every module, folded group and parameter in one flat table.

Sixty thousand tensors must be walked within a key press, so that the table is columns, every subtree is one stretch of
it, and a repeated layer is worked out once and copied. The rule of folding is that of `architecture.fold`: numbered
neighbours that are the same in everything but their numbers.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from anatomy.architecture.tree import ModuleNode, OwnParameter
from anatomy.dtypes import BY_NAME

Loops = tuple[tuple[int, int], ...]
"""(stride, times) of the folded groups that a row stands inside of, outermost first."""


@dataclass(frozen=True, kw_only=True)  # without slots: what is derived is kept beside the columns
class Outline:
    """The columns. An item is an index into them; a module's subtree is the items from its own up to its `ends`."""

    title: str
    """What the whole model is called: its class, or its id."""
    segments: list[str] = field(default_factory=list)
    """What an item adds to the path: 'q_proj', 'weight'; of a folded list its name; '' of a run among others."""
    nodes: list[ModuleNode] = field(default_factory=list)
    """The module; of a parameter its owner, of a folded list the list. Of repeated layers the first one's, whose path
    differs: `path` gives the item's own."""
    owns: list[OwnParameter | None] = field(default_factory=list)
    """The parameter that an item is; None of modules and groups."""
    parents: list[int] = field(default_factory=list)
    """The item above; -1 of the first."""
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """The item after everything inside."""
    times: list[int] = field(default_factory=list)
    """Members of a folded group, which follow it one after the other; 1 of everything else."""
    counts: list[int] = field(default_factory=list)
    """Elements of the item alone; a module whose parameters are rows has none."""
    facets: list[int] = field(default_factory=list)
    """What items that are found by the same words share: a place in `samples`."""
    samples: list[int] = field(default_factory=list)
    """One item of each facet."""
    dtype: str = ""
    """torch's name of the dtype that everything is stored in; '' where there are several or none is known."""

    def __len__(self) -> int:
        return len(self.segments)

    @cached_property
    def _sums(self) -> list[int]:
        return [0, *accumulate(self.counts)]

    @cached_property
    def paths(self) -> list[str]:
        """Dotted paths; of a folded list the list's, of a run among others that of the module around it."""
        found: list[str] = []
        for segment, parent in zip(self.segments, self.parents, strict=True):
            above = found[parent] if parent >= 0 else ""
            found.append(f"{above}.{segment}" if above and segment else above or segment)
        return found

    @cached_property
    def modules(self) -> dict[str, int]:
        """Path -> item, of modules and folded lists."""
        return {
            path: item
            for item, (path, own, segment) in enumerate(
                zip(self.paths, self.owns, self.segments, strict=True)
            )
            if own is None and (segment or item == 0)
        }

    @cached_property
    def names(self) -> Counter[str]:
        """Own name -> how many modules have it."""
        return Counter(s for s, own in zip(self.segments, self.owns, strict=True) if own is None)

    def total(self, item: int) -> int:
        """Parameters of an item and all inside, all members of a group."""
        return self._sums[self.ends[item]] - self._sums[item]

    def is_group(self, item: int) -> bool:
        """Whether it stands for several modules."""
        return self.times[item] > 1

    def stride(self, group: int) -> int:
        """Items of one member of a group."""
        return (self.ends[group] - group - 1) // self.times[group]

    def children(self, item: int) -> Iterator[int]:
        """The items right inside."""
        child, end = item + 1, self.ends[item]
        while child < end:
            yield child
            child = self.ends[child]

    def above(self, item: int) -> Iterator[int]:
        """The items around, innermost first."""
        while (item := self.parents[item]) >= 0:
            yield item

    def label(self, item: int) -> str:
        """What a row shows: 'q_proj', 'layers.0-31', '3-60'; of the model itself its title."""
        if item == 0:
            return self.title
        if not self.is_group(item):
            return self.segments[item]
        name = self.segments[item]
        return f"{name}{'.' if name else ''}{self.numbers(item)}"

    def numbers(self, group: int) -> str:
        """The members of a group: '0-31'."""
        last = self.segments[self.ends[group] - self.stride(group)]
        return f"{self.segments[group + 1]}-{last}"

    def path(self, item: int) -> str:
        """Dotted path of one item, without building all of them."""
        return ".".join(reversed([self.segments[i] for i in (item, *self.above(item)) if self.segments[i]]))

    def kind(self, item: int) -> str:
        """Class name; of a group its members'; '' of a parameter, and where only headers are known."""
        if self.owns[item] is not None:
            return ""
        return self.nodes[item + 1 if self.is_group(item) else item].kind

    def component(self, item: int) -> str:
        """The component, or the group of them; of a parameter the one that it belongs to, '' of several."""
        own = self.owns[item]
        if own is None:
            return self.nodes[item].component
        names = {name for name, _ in own.parts}
        return names.pop() if len(names) == 1 else ""

    def shown(self, item: int) -> tuple[OwnParameter, ...]:
        """The parameters that a row itself shows: its own, unless they are rows."""
        own = self.owns[item]
        if own is not None:
            return (own,)
        if self.is_group(item):
            return self.shown(item + 1)
        return self.nodes[item].own if self.counts[item] else ()

    def own(self, item: int) -> tuple[OwnParameter, ...]:
        """The parameters right at a module, or at a group's first member; of a parameter's row that parameter."""
        parameter = self.owns[item]
        return (parameter,) if parameter else self.nodes[item + 1 if self.is_group(item) else item].own

    def modules_of(self, row: "Row") -> list[int]:
        """The single modules (or parameters) that a row stands for: of a group its members."""
        if not self.is_group(row.item):
            return row.starts()
        stride, times = self.stride(row.item), self.times[row.item]
        return [start + 1 + stride * k for start in row.starts() for k in range(times)]

    def stored_bytes(self, elements: int) -> int | None:
        """Bytes that so many parameters take in the checkpoint; None where it has several dtypes or none is known."""
        return BY_NAME[self.dtype].bytes_for(elements) if self.dtype else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row as it is shown: an item, and all that it stands for."""

    item: int
    """Of its first module, or the group."""
    path: str
    """Dotted path; of a folded list the list's; inside a folded group that of the first member's."""
    label: str
    """As shown."""
    place: str
    """The path with what it stands for: 'model.layers.0-31.self_attn'."""
    times: int
    """How many modules it stands for."""
    loops: Loops
    """The folded groups around it."""
    parameters: int
    """Elements in everything that it stands for."""

    def starts(self) -> list[int]:
        """The items that it stands for; of a group the group, once for each group around it."""
        found = [self.item]
        for stride, times in self.loops:
            found = [start + stride * k for start in found for k in range(times)]
        return found
