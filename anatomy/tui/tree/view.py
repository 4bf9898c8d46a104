"""Which rows of an outline are seen: what is unfolded, in which order, what is filtered, where to jump.

Folding never moves the cursor to another module: an item keeps its number, whatever is shown.
"""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from anatomy.tui.tree.find import Marked, Query, matching
from anatomy.tui.tree.fold import Fold
from anatomy.tui.tree.order import by_falling_size
from anatomy.tui.tree.outline import Loops, Outline, Row

_UNFOLDED = bytes([Fold.OPEN, Fold.OPEN, Fold.SPLIT, *range(3, 256)])
"""For `translate`: what is closed is open."""
_FOLDED = bytes([Fold.CLOSED, Fold.CLOSED, Fold.SPLIT, *range(3, 256)])
"""For `translate`: what is open is closed; groups stay split."""


class Snapshot(NamedTuple):
    """A view at one moment."""

    folds: bytes
    filter: Query
    kept: bytearray | None
    before_filter: bytearray | None


class View:
    """What is shown of an outline, and what was asked for."""

    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self.by_size = False
        self.filter = Query("")
        self._folds = bytearray(len(outline))
        self._order = self._places = list(range(len(outline)))
        self._kept: bytearray | None = None
        self._before_filter: bytearray | None = None
        self._reachable: list[int] | None = None
        self._whole = False
        self._open_to_the_fork()

    def _open_to_the_fork(self) -> None:
        """At first: the model, and a single module after the other down to where there are several of size."""
        item = 0 if len(self.outline) else None
        while item is not None:
            self._folds[item] = Fold.OPEN
            inside = [child for child in self.outline.children(item) if self.outline.ends[child] > child + 1]
            item = inside[0] if len(inside) == 1 and not self.outline.is_group(inside[0]) else None

    def rows(self) -> list[int]:
        """The items to show, top to bottom."""
        if self._whole and self._kept is None:
            return self._order.copy()
        return self._walk(self._folds, self._kept)

    def row(self, item: int) -> Row:
        """What an item stands for as it is shown now."""
        loops = self.loops(item)
        around = 1
        for _, times in loops:
            around *= times
        outline = self.outline
        return Row(
            item=item,
            path=outline.path(item),
            label=outline.label(item),
            place=self._place(item),
            times=around * outline.times[item],
            loops=loops,
            parameters=around * outline.total(item),
        )

    def _place(self, item: int) -> str:
        outline, found = self.outline, []
        for above in (*reversed(list(outline.above(item))), item):
            if outline.segments[above] and not self._stands_in(above):
                found.append(outline.segments[above])
            if outline.is_group(above) and (above == item or self._folds[above] != Fold.SPLIT):
                found.append(outline.numbers(above))
        return ".".join(found)

    def loops(self, item: int) -> Loops:
        """The groups around an item that are not split, outermost first."""
        outline = self.outline
        around = [g for g in outline.above(item) if outline.times[g] > 1 and self._folds[g] != Fold.SPLIT]
        return tuple((outline.stride(g), outline.times[g]) for g in reversed(around))

    def indent(self, item: int) -> list[int]:
        """The rows above an item that it hangs on, outermost first; the member that a group stands for is no row."""
        return [above for above in reversed(list(self.outline.above(item))) if not self._stands_in(above)]

    def fold(self, item: int) -> Fold:
        """How much of an item is shown."""
        return Fold(self._folds[item])

    def can_open(self, item: int) -> bool:
        """Whether anything is inside."""
        return self.outline.ends[item] > item + 1

    def set_fold(self, item: int, fold: Fold) -> None:
        """Show more or less of one item. Only a group can be split."""
        if not self.can_open(item):
            return
        if fold is Fold.SPLIT and not self.outline.is_group(item):
            fold = Fold.OPEN
        self._folds[item] = fold
        self._reachable, self._whole = None, False

    def snapshot(self) -> "Snapshot":
        """What is unfolded and filtered, to be given back to `restore`."""
        return Snapshot(bytes(self._folds), self.filter, self._kept, self._before_filter)

    def restore(self, then: "Snapshot") -> None:
        """Unfold and filter as it was then."""
        self._folds, self.filter, self._kept = bytearray(then.folds), then.filter, then.kept
        self._before_filter = then.before_filter
        self._reachable, self._whole = None, False

    def unfold_all(self) -> None:
        """Everything, every member of every group."""
        self._folds = bytearray([Fold.SPLIT if times > 1 else Fold.OPEN for times in self.outline.times])
        self._reachable, self._whole = None, True

    def fold_all(self) -> None:
        """As at first."""
        self._folds = bytearray(len(self.outline))
        self._open_to_the_fork()
        self._reachable, self._whole = None, False

    def sort(self, by_size: bool) -> None:
        """Siblings with the most parameters first, or in the model's order. Members of a group keep theirs."""
        self.by_size = by_size
        self._order = by_falling_size(self.outline) if by_size else list(range(len(self.outline)))
        self._places = [0] * len(self._order)
        for place, item in enumerate(self._order):
            self._places[item] = place
        self._reachable = None

    def reveal(self, item: int) -> int:
        """Unfold whatever hides an item; the row that shows it, which is its like in a folded group's first member."""
        item = self.stand_in(item)
        for above in self.outline.above(item):
            if self._folds[above] == Fold.CLOSED:
                self.set_fold(above, Fold.OPEN)
        return item

    def reveal_itself(self, item: int) -> int:
        """The same, but of this very member: groups around it that show another one, or no one member, are split."""
        for group in self.outline.above(item):
            first = range(group + 2, group + 1 + self.outline.stride(group))
            if self.outline.is_group(group) and item not in first:
                self.set_fold(group, Fold.SPLIT)
        return self.reveal(item)

    def stand_in(self, item: int) -> int:
        """The item that shows this one while the groups around it are not split."""
        outline = self.outline
        hidden = True
        while hidden:
            hidden = False
            for group in reversed(list(outline.above(item))):
                stride = outline.stride(group)
                if outline.times[group] > 1 and self._folds[group] != Fold.SPLIT and item > group + stride:
                    item, hidden = group + 1 + (item - group - 1) % stride, True
                    break  # the groups inside are now the first member's
        # A member itself is shown by its group.
        return outline.parents[item] if self._stands_in(item) else item

    def visible(self, item: int) -> int:
        """The item, or what is shown of what it is in: the outermost closed or the innermost kept module around it."""
        item = self.stand_in(item)
        for above in reversed([item, *self.outline.above(item)]):
            if self._stands_in(above):
                continue
            if self._kept is not None and not self._kept[above]:
                return self.visible(self.outline.parents[above]) if above else 0
            if self._folds[above] == Fold.CLOSED:
                return above
        return item

    def reachable(self) -> list[int]:
        """The items that unfolding shows, in order: of a group that is not split the first member's alone."""
        if self._reachable is None:
            self._reachable = (
                self._order if self._whole else self._walk(self._folds.translate(_UNFOLDED), None)
            )
        return self._reachable

    def matches(self, query: Query, marks: Marked | None = None) -> list[int]:
        """The items that a query finds, in the order of rows.

        Of what a folded group holds the first member's, and those of others where the first has nothing like it.
        `marks`: what a mark's word finds, e.g. 'trainable'; without it such a word is one like others.
        """
        if not query:
            return []
        near = self.reachable()
        found = matching(self.outline, query, near, marks)
        if not query.tells_members_apart or len(near) == len(self.outline):
            return found
        known, like = set(near), set(found)
        everywhere = matching(self.outline, query, range(len(self.outline)), marks)
        like.update(item for item in everywhere if item not in known and self.stand_in(item) not in like)
        return sorted(like, key=self._places.__getitem__)

    def jump(self, found: list[int], at: int, forward: bool = True) -> int | None:
        """The match after (or before) an item in the order of rows, round the end; None where there is none."""
        if not found:
            return None
        places = self._places
        if forward:
            return found[bisect_right(found, places[at], key=places.__getitem__) % len(found)]
        return found[bisect_left(found, places[at], key=places.__getitem__) - 1]

    def set_filter(self, query: Query, marks: Marked | None = None) -> int:
        """Keep what matches, what it is in and what is in it; an empty query shows all again. The number of matches."""
        if self._before_filter is not None:
            self._folds, self._before_filter = bytearray(self._before_filter), None
        self._reachable, self._kept, self.filter, self._whole = None, None, query, False
        if not query:
            return 0
        known, found = set(self.reachable()), self.matches(query, marks)
        self._before_filter = bytearray(self._folds)
        self._folds = self._folds.translate(_FOLDED)
        for item in found:
            if item not in known:
                self.reveal_itself(item)
        self._kept = self._keep(found)
        self._reachable = None
        return len(found)

    def keeps(self, item: int) -> bool:
        """Whether the filter leaves an item."""
        return self._kept is None or bool(self._kept[item])

    def _keep(self, found: list[int]) -> bytearray:
        """What a filter leaves; what is around a match is unfolded."""
        parents, ends, folds = self.outline.parents, self.outline.ends, self._folds
        kept, climbed = bytearray(len(self.outline)), bytearray(len(self.outline))
        kept[0] = 1
        for item in found:
            if ends[item] - item > 1:
                kept[item : ends[item]] = b"\x01" * (ends[item] - item)
            kept[item] = 1
            above = parents[item]
            while above >= 0 and not climbed[above]:
                kept[above] = climbed[above] = 1
                folds[above] = folds[above] or Fold.OPEN
                above = parents[above]
        return kept

    def heaviest(self) -> list[int]:
        """What shows parameters of its own, the most first: of all that a row stands for, as the row says."""
        counts, times, parents = self.outline.counts, self.outline.times, self.outline.parents
        around: dict[int, int] = {-1: 1}
        sizes = {}
        for item in self.reachable():
            above = parents[item]
            folded = above not in around  # the member that a group stands for is no row
            around[item] = around[parents[above]] * times[parents[above]] if folded else around[above]
            of_group = (
                counts[item + 1] * times[item] if times[item] > 1 and self._folds[item] != Fold.SPLIT else 0
            )
            if size := around[item] * (counts[item] or of_group):
                sizes[item] = size
        return sorted(sizes, key=lambda item: -sizes[item])

    def _stands_in(self, item: int) -> bool:
        """Whether an item is the member that stands for all of a group, whose row is the group's."""
        parent = self.outline.parents[item]
        return parent >= 0 and self.outline.times[parent] > 1 and self._folds[parent] != Fold.SPLIT

    def _walk(self, folds: bytearray, kept: bytearray | None) -> list[int]:
        order, ends, times = self._order, self.outline.ends, self.outline.times
        found: list[int] = []

        def walk(at: int, stop: int) -> None:
            while at < stop:
                item = order[at]
                size = ends[item] - item
                if kept is not None and not kept[item]:
                    at += size
                    continue
                found.append(item)
                fold = folds[item]
                if not fold:
                    at += size
                elif fold == Fold.OPEN and times[item] > 1:
                    first = order[at + 1]
                    walk(at + 2, at + 1 + ends[first] - first)
                    at += size
                else:
                    at += 1

        walk(0, len(order))
        return found
