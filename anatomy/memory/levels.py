"""Levels: the stack of categories after any entry of a replay, and a run cut into the columns of a picture.

The axis of every picture is the order of the trace, not time: a rehearsal has no clock.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from anatomy.memory.allocator import Replay, spans
from anatomy.memory.timeline import Category, Mark

CATEGORIES = tuple(Category)
"""The order of every stack, from the bottom up: what stays for the whole run lies below what comes and goes."""
STRIDE = 256
"""Entries between two stacks that are kept; what lies between is walked when asked for."""
FLOOR = 8
"""Columns that a short phase gets before the rest are dealt out by length, where there is room."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """The allocated bytes of each category after each entry of a replay."""

    replay: Replay
    kinds: bytes
    """Of each block of the timeline, where its category stands in `CATEGORIES`."""
    kept: Sequence[tuple[int, ...]]
    """The stacks before entry 0, `STRIDE`, twice that, ...; each in the order of `CATEGORIES`."""
    calls: Sequence[int]
    """The entries that took memory from the device or gave it back, in order: `replay.reserved` changes there alone."""

    @property
    def entries(self) -> int:
        """How many entries of the trace ran: all of them, unless memory ran out."""
        return len(self.replay.allocated)

    def stack(self, index: int) -> tuple[int, ...]:
        """Bytes of each of `CATEGORIES` after entry `index`; they add up to `replay.allocated[index]`."""
        if not 0 <= index < self.entries:
            raise IndexError(f"entry {index} is not among the {self.entries} that ran")
        stack = list(self.kept[index // STRIDE])
        _walk(self, stack, index // STRIDE * STRIDE, index + 1)
        return tuple(stack)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of a picture: some entries in a row, shown at the highest of them so that no peak is lost."""

    start: int
    stop: int
    """The entries are [start, stop). Neighbours share an entry where there are fewer entries than columns."""
    index: int
    """The first entry of them with the highest `allocated_bytes`."""
    allocated_bytes: int
    reserved_bytes: int
    """The highest in these entries, wherever it is."""
    stack: tuple[int, ...]
    """Bytes of each of `CATEGORIES` after entry `index`; adds up to `allocated_bytes`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A phase in a picture."""

    mark: Mark
    start: int
    stop: int
    """Its entries are [start, stop), whether or not all are in the picture."""
    first: int
    last: int
    """Its columns are [first, last); none where a picture has fewer columns than phases."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """A stretch of a run, cut into columns."""

    start: int
    stop: int
    """The entries are [start, stop)."""
    columns: tuple[Column, ...]
    spans: tuple[Span, ...]
    """The phases that have an entry in it, in order."""

    def columns_of(self, index: int) -> range:
        """The columns that entry `index` lies in: more than one where entries are wider than columns; or none."""
        if not self.start <= index < self.stop:
            return range(0)
        first = bisect_left(self.columns, index + 1, key=lambda column: column.stop)
        last = bisect_left(self.columns, index + 1, key=lambda column: column.start)
        return range(first, last)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rest:
    """The level at the end of a phase."""

    mark: Mark
    index: int
    """The last entry of the phase."""
    allocated_bytes: int


def levels(replay: Replay) -> Levels:
    """One pass over a replay."""
    place = {category: number for number, category in enumerate(CATEGORIES)}
    kinds = bytes([place[block.category] for block in replay.timeline.blocks])
    kept: list[tuple[int, ...]] = []
    calls = sorted({call.at for call in replay.device_calls if call.at < len(replay.reserved)})
    found = Levels(replay=replay, kinds=kinds, kept=kept, calls=calls)
    stack = [0] * len(CATEGORIES)
    for start in range(0, found.entries, STRIDE):
        kept.append(tuple(stack))
        _walk(found, stack, start, min(start + STRIDE, found.entries))
    return found


def sampled(levels: Levels, columns: int, start: int = 0, stop: int | None = None) -> Sampled:
    """The entries [start, stop) of a run in `columns` columns; all of them when left out.

    Each phase in it gets some columns of its own (see `FLOOR`), and the rest go by length; where there are more
    phases than columns, equal stretches are taken whatever the phase. The same entries stand in several columns
    where there are fewer entries than columns. A phase without any entry has no column: nothing happens in it.

    Raises ValueError for a range without entries or less than one column.
    """
    stop = levels.entries if stop is None else stop
    if columns < 1 or not 0 <= start < stop <= levels.entries:
        raise ValueError(
            f"[{start}, {stop}) of {levels.entries} entries cannot be cut into {columns} columns"
        )
    phases = [(m, a, b) for m, a, b in spans(levels.replay) if max(a, start) < min(b, stop)]
    cuts = _cuts([(max(a, start), min(b, stop)) for _, a, b in phases], columns)
    shown = tuple(_column(levels, a, b) for a, b in cuts)
    starts = [column.start for column in shown]
    return Sampled(
        start=start,
        stop=stop,
        columns=shown,
        spans=tuple(
            Span(mark=m, start=a, stop=b, first=bisect_left(starts, a), last=bisect_left(starts, b))
            for m, a, b in phases
        ),
    )


def resting(replay: Replay) -> tuple[Rest, ...]:
    """The level at the end of each phase that has entries and was over before memory ran out, over all steps.

    `Footprint.resting` is the same for loading and the last step alone.
    """
    ended = spans(replay)[: -1 if replay.out_of_memory else None]
    return tuple(
        Rest(mark=mark, index=stop - 1, allocated_bytes=replay.allocated[stop - 1])
        for mark, start, stop in ended
        if start < stop
    )


def first_over(replay: Replay, capacity_bytes: int) -> int | None:
    """The first entry after which more is allocated than the capacity; None if there is no such entry."""
    if replay.peak_allocated_bytes <= capacity_bytes:
        return None
    return next(index for index, level in enumerate(replay.allocated) if level > capacity_bytes)


def _walk(levels: Levels, stack: list[int], start: int, stop: int) -> None:
    """Add the entries [start, stop) to a stack."""
    kinds, sizes = levels.kinds, levels.replay.block_bytes
    for entry in levels.replay.timeline.trace[start:stop]:
        if entry >= 0:
            stack[kinds[entry]] += sizes[entry]
        else:
            stack[kinds[~entry]] -= sizes[~entry]


def _column(levels: Levels, start: int, stop: int) -> Column:
    inside = levels.replay.allocated[start:stop]
    highest = max(inside)
    index = start + inside.index(highest)
    calls = levels.calls[bisect_left(levels.calls, start) : bisect_left(levels.calls, stop)]
    return Column(
        start=start,
        stop=stop,
        index=index,
        allocated_bytes=highest,
        reserved_bytes=max(levels.replay.reserved[at] for at in (start, *calls)),
        stack=levels.stack(index),
    )


def _cuts(phases: Sequence[tuple[int, int]], columns: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the entries of each column. `phases`: their entries, without holes between them."""
    start, stop = phases[0][0], phases[-1][1]
    if stop - start < columns:
        for column in range(columns):
            entry = start + (stop - start) * column // columns
            yield entry, entry + 1
    elif len(phases) > columns:
        yield from _even(start, stop, columns)
    else:
        for (a, b), width in zip(phases, _widths([b - a for a, b in phases], columns), strict=True):
            yield from _even(a, b, width)


def _even(start: int, stop: int, parts: int) -> Iterator[tuple[int, int]]:
    """[start, stop) in equal parts; none is empty when there are as many entries as parts."""
    return pairwise(start + (stop - start) * part // parts for part in range(parts + 1))


def _widths(lengths: Sequence[int], columns: int) -> list[int]:
    """Columns of phases of these lengths: at least 1 and at most an entry each, `columns` in all."""
    floor = min(FLOOR, max(1, columns // (2 * len(lengths))))
    sure = [min(length, floor) for length in lengths]
    spare, free = columns - sum(sure), sum(lengths) - sum(sure)
    dealt = [spare * sofar // free if free else 0 for sofar in accumulate(_less(lengths, sure), initial=0)]
    return [width + b - a for width, (a, b) in zip(sure, pairwise(dealt), strict=True)]


def _less(left: Sequence[int], right: Sequence[int]) -> Iterator[int]:
    return (a - b for a, b in zip(left, right, strict=True))
