"""Blocks of two sides, matched as multisets: by more at first, and then by less."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from anatomy.memory.caching import SMALL_REQUEST
from anatomy.memory.timeline import Phase


@dataclass(frozen=True, slots=True)
class Lived:
    """One block as far as matching is concerned."""

    step: int
    phase: Phase
    module: str
    op: str
    bytes: int
    kept: bool
    at_peak: bool


Key = Callable[[Lived], Hashable]

_GRADES: tuple[Key, ...] = (
    lambda b: (b.step, b.phase, b.bytes, b.kept, b.module, b.op),
    lambda b: (b.step, b.phase, b.bytes, b.kept, b.module),
    lambda b: (b.step, b.phase, b.bytes, b.kept, b.op),
    lambda b: (b.step, b.phase, b.bytes, b.kept),
)
"""How alike two blocks of equal bytes are, strictest first: whether they outlive their phase always counts."""
_LIVED_OTHERWISE: tuple[Key, ...] = (
    lambda b: (b.step, b.phase, b.bytes, b.module, b.op),
    lambda b: (b.step, b.phase, b.bytes),
)
"""The same for blocks of which one side outlived its phase and the other did not."""
_NEAR: tuple[Key, ...] = (
    lambda b: (b.step, b.phase, b.module, b.op),
    lambda b: (b.step, b.phase, b.op),
)
"""How alike two blocks must be for their bytes to differ by what the allocator did not split off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unmatched:
    """What is left when everything that is alike has been matched."""

    foreseen: list[Lived]
    happened: list[Lived]
    lived_otherwise: list[Lived]
    """Happened as foreseen, but for outliving its phase, or not."""


def unmatched_of(foreseen: list[Lived], happened: list[Lived], *, near: bool) -> Unmatched:
    """What neither side can give to the other.

    `near`: whether a block of the large pool that happened may have up to 1 MiB more bytes than the foreseen one.
    """
    for grade in _GRADES:
        foreseen, happened = _match_equal(foreseen, happened, grade)
    before = Counter(happened)
    for grade in _LIVED_OTHERWISE:
        foreseen, happened = _match_equal(foreseen, happened, grade)
    otherwise = list((before - Counter(happened)).elements())
    for key in _NEAR if near else ():
        foreseen, happened = _match_near(foreseen, happened, key)
    return Unmatched(foreseen=foreseen, happened=happened, lived_otherwise=otherwise)


def _match_equal(foreseen: list[Lived], happened: list[Lived], key: Key) -> tuple[list[Lived], list[Lived]]:
    """What neither side can give to the other under a key, in order."""
    waiting: defaultdict[Hashable, list[Lived]] = defaultdict(list)
    for block in reversed(foreseen):
        waiting[key(block)].append(block)
    unmatched = []
    for block in happened:
        if alike := waiting.get(key(block)):
            alike.pop()
        else:
            unmatched.append(block)
    return [block for blocks in waiting.values() for block in reversed(blocks)], unmatched


def _match_near(foreseen: list[Lived], happened: list[Lived], key: Key) -> tuple[list[Lived], list[Lived]]:
    """The same for blocks of the large pool that got up to 1 MiB more than they needed."""
    waiting: defaultdict[Hashable, list[Lived]] = defaultdict(list)
    for block in sorted(foreseen, key=lambda block: -block.bytes):
        waiting[key(block)].append(block)
    left, unmatched = list[Lived](), list[Lived]()
    for block in sorted(happened, key=lambda block: block.bytes):
        alike = waiting.get(key(block), [])
        while alike and (alike[-1].bytes <= SMALL_REQUEST or alike[-1].bytes < block.bytes - SMALL_REQUEST):
            left.append(alike.pop())
        if alike and alike[-1].bytes <= block.bytes:
            alike.pop()
        else:
            unmatched.append(block)
    return [*left, *(block for blocks in waiting.values() for block in blocks)], unmatched
