"""Ledger: blocks as they are born and freed, before it is known what they were for.

A block's category follows from what it turned out to be (a parameter, a gradient, an optimizer state) or from
how long it lived. Both are known only later, so the ledger keeps plain columns and makes the Timeline at the end.
"""

from collections.abc import Callable, Mapping
from typing import Any

from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline

_FORWARD = frozenset({Phase.FORWARD, Phase.LOSS, Phase.EVALUATION})


class Ledger:
    """Columns of blocks, a trace of births and deaths, and the marks between phases."""

    def __init__(self) -> None:
        self.phase = Phase.LOAD
        self.step = 0
        self._marks: list[Mark] = [Mark(at=0, phase=Phase.LOAD, step=0)]
        self._trace: list[int] = []
        self._bytes: list[int] = []
        self._module: list[str] = []
        self._op: list[str] = []
        self._category: list[Category | None] = []
        self._span_born: list[int] = []
        self._span_freed: list[int] = []
        # A span is a stretch in which a temporary may live: a phase, or one recomputation inside backward.
        self._span = 0
        self._span_is_forward = [False]

    @property
    def length(self) -> int:
        """Entries of the trace so far."""
        return len(self._trace)

    def since(self, length: int) -> list[int]:
        """Blocks born since the trace had that length."""
        return [entry for entry in self._trace[length:] if entry >= 0]

    def told(self, start: int, stop: int) -> list[tuple[bool, int]]:
        """A stretch of the trace: of every entry whether a block was born, and its bytes."""
        return [
            (entry >= 0, self._bytes[entry if entry >= 0 else ~entry]) for entry in self._trace[start:stop]
        ]

    def left(self, start: int, stop: int) -> list[tuple[int, str]]:
        """Blocks (bytes, op) that were born in a stretch of the trace and are still there."""
        born = [entry for entry in self._trace[start:stop] if entry >= 0]
        return [(self._bytes[b], self._op[b]) for b in born if self._span_freed[b] < 0]

    def enter(self, phase: Phase, step: int) -> None:
        """A phase begins; every later entry belongs to it."""
        self.phase, self.step = phase, step
        self._marks.append(Mark(at=len(self._trace), phase=phase, step=step))
        self.new_span(is_forward=phase in _FORWARD)

    def new_span(self, *, is_forward: bool) -> None:
        """What outlives this point was kept on purpose; `is_forward` when modules run forward in it."""
        self._span += 1
        self._span_is_forward.append(is_forward)

    def born(self, size: int, *, module: str, op: str, category: Category | None = None) -> int:
        """Write down a block of `size` bytes and return its id."""
        if self.phase is Phase.EVALUATION and not module and op == "aten.cat":
            category = category or Category.LOGITS  # of all batches so far, put together
        block = len(self._bytes)
        self._trace.append(block)
        self._bytes.append(size)
        self._module.append(module)
        self._op.append(op)
        self._category.append(category)
        self._span_born.append(self._span)
        self._span_freed.append(-1)
        return block

    def freed(self, block: int) -> None:
        """Write down that a block is gone."""
        self._trace.append(~block)
        self._span_freed[block] = self._span

    def label(self, block: int, category: Category) -> None:
        """Say what a block turned out to be; what was said first stays (a weight does not become a gradient)."""
        if self._category[block] is None:
            self._category[block] = category

    def place(self, block: int, module: str, category: Category) -> None:
        """Say to which module a block belongs, and what it is unless that is known already."""
        self._module[block] = module
        self.label(block, category)

    def timeline(self, component_of: Callable[[str], str], environment: Mapping[str, Any]) -> Timeline:
        """The finished record; `component_of` maps a module path to its component."""
        components = {path: component_of(path) for path in set(self._module)}
        kinds: dict[tuple[int, Category, str, str], Block] = {}  # of hundreds of thousands few differ

        def block(i: int) -> Block:
            size, module, op = self._bytes[i], self._module[i], self._op[i]
            category = self._category_of(i, components[module])
            found = kinds.get((size, category, module, op))
            if found is None:
                found = Block(
                    bytes=size, category=category, component=components[module], module=module, op=op
                )
                kinds[size, category, module, op] = found
            return found

        blocks = tuple(map(block, range(len(self._bytes))))
        return Timeline(
            blocks=blocks, trace=tuple(self._trace), marks=tuple(self._marks), environment=dict(environment)
        )

    def _category_of(self, block: int, component: str) -> Category:
        known = self._category[block]
        if known is not None:
            return known
        if not self._span_is_forward[self._span_born[block]]:
            return Category.TEMPORARIES
        if component == "head":
            return Category.LOGITS
        kept = self._span_freed[block] != self._span_born[block]
        return Category.ACTIVATIONS if kept else Category.TEMPORARIES
