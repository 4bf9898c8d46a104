"""What marks a row: tied, trainable, frozen, quantized, adapter, target. Every mark is a letter and a word."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from anatomy.architecture.tied import TiedGroup
from anatomy.memory.timeline import Category
from anatomy.planning.modules import ModuleShare
from anatomy.tui.tree.outline import Loops, Outline, Row
from anatomy.tui.tree.shares import Shares, is_quantized

Extent = Literal["none", "partly", "wholly"]
MARKS: dict[str, str] = {
    "=": "tied: the same parameter stands at another place as well",
    "T": "trainable: gets gradients",
    "t": "trainable in part",
    "F": "frozen: gets no gradient",
    "Q": "quantized: held in few bits",
    "L": "target: adapters are put on it",
    "l": "target in some of the layers that it stands for",
    "A": "adapters inside",
}
"""Letter -> what it means, in the order of the columns."""
_COLUMNS = ("=", "TtF", "Q", "LlA")
"""The letters that share a column; at most one of each stands in a row."""
MARK_WIDTH = len(_COLUMNS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """What marks one row."""

    tied: tuple[str, ...] = ()
    """Paths of the other places of the same parameters."""
    trained: Extent | None = None
    """How much of what it holds gets gradients; None where it holds nothing, and without a plan."""
    quantized: bool = False
    """Whether any of it is quantized."""
    target: Extent = "none"
    """Whether it is itself adapted; 'partly' where it stands for several modules and some are not."""
    adapter: bool = False
    """Whether adapters are inside, without its being a target."""

    @property
    def letters(self) -> str:
        """One column for each kind of mark, a blank where there is none: '=F L'."""
        present = {
            "=": bool(self.tied),
            "T": self.trained == "wholly",
            "t": self.trained == "partly",
            "F": self.trained == "none",
            "Q": self.quantized,
            "L": self.target == "wholly",
            "l": self.target == "partly",
            "A": self.adapter,
        }
        return "".join(next((x for x in column if present[x]), " ") for column in _COLUMNS)


@dataclass(kw_only=True)
class Marker:
    """Finds marks, and remembers them until the plan or the targets are others."""

    outline: Outline
    tied: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Item -> the other places of its parameters."""
    shares: Shares | None = None
    """Of the plan; None until there is one."""
    targets: frozenset[int] | None = None
    """Items that are chosen as targets; None where those of the plan are."""

    def __post_init__(self) -> None:
        self._known: dict[tuple[int, Loops], Marks] = {}
        self._adapted: frozenset[int] | None = None

    def marks(self, row: Row) -> Marks:
        """What marks a row."""
        key = (row.item, row.loops)
        if key not in self._known:
            self._known[key] = self._find(row)
        return self._known[key]

    def marked(self, word: str) -> Collection[int]:
        """The items that a mark's word finds: those that hold such parameters themselves."""
        if word == "tied":
            return self.tied
        if word == "target":
            return self.target_items
        held = self.shares.by_item.items() if self.shares else ()
        return {item for item, share in held if _is_marked(word, share)}

    @property
    def target_items(self) -> frozenset[int]:
        """Modules that are, or by the plan were, adapted."""
        if self.targets is not None:
            return self.targets
        if self._adapted is None:
            self._adapted = frozenset(self.marked("adapter")) - {0}
        return self._adapted

    def _find(self, row: Row) -> Marks:
        starts = self.outline.modules_of(row)
        tied = tuple(dict.fromkeys(path for item in starts for path in self.tied.get(item, ())))
        targets = self.target_items
        adapted = sum(item in targets for item in starts)
        target = _extent(adapted, len(starts) - adapted) or "none"
        if self.shares is None:
            return Marks(tied=tied, target=target)
        counts = self.shares.counts(row)
        return Marks(
            tied=tied,
            trained=_extent(counts.trainable, counts.frozen),
            quantized=counts.quantized > 0,
            target=target,
            adapter=target == "none" and counts.adapters > 0,
        )


def _extent(such: int, others: int) -> Extent | None:
    if not such:
        return "none" if others else None
    return "partly" if others else "wholly"


def _is_marked(word: str, share: ModuleShare) -> bool:
    """Whether a module itself holds what the word means."""
    if word == "trainable":
        return any(held.trainable for held in share.held)
    if word == "frozen":
        return any(not held.trainable for held in share.held)
    if word == "adapter":
        return any(held.adapter for held in share.held)
    scaled = Category.QUANTIZATION in share.peak
    return any(is_quantized(held, with_state=scaled) for held in share.held)


def tied_items(outline: Outline, groups: Iterable[TiedGroup]) -> dict[int, tuple[str, ...]]:
    """The items at which shared parameters stand, each with the other places."""
    found: dict[int, tuple[str, ...]] = {}
    for group in groups:
        places = (group.counted, *group.also)
        for place in places:
            item = _place(outline, place)
            if item is not None:
                others = (other for other in places if other != place)
                found[item] = tuple(dict.fromkeys((*found.get(item, ()), *others)))
    return found


def _place(outline: Outline, parameter: str) -> int | None:
    """The row of a parameter: its own, or its module's; None where the module stands at another place only."""
    owner, _, name = parameter.rpartition(".")
    module = outline.modules.get(owner)
    if module is None:
        return None
    rows = (c for c in outline.children(module) if (own := outline.owns[c]) is not None and own.name == name)
    return next(rows, module)
