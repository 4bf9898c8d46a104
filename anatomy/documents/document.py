"""Document: what an answer says, in an order that is read from top to bottom. Values only."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from anatomy.result import Result

if TYPE_CHECKING:  # pictures know replays, which most answers have none of
    from anatomy.documents.charts import Chart

Tone = Literal["plain", "good", "caution", "bad"]
"""How a sentence is meant. Its words say the same; a colour may underline it."""


def as_text(value: Any) -> str:
    """A value in a table as it stands; nothing for None."""
    return "" if value is None else str(value)


def share_of(part: int, whole: int) -> str:
    """A part's share in percent, to be read downwards: '46.61 %', '< 0.01 %'."""
    percent = 100 * part / whole if whole else 0.0
    return "< 0.01 %" if 0 < percent < 0.005 else f"{percent:.2f} %"


def named(model: str, overrides: Mapping[str, Any]) -> str:
    """A model's id, with what the user set in its config by hand."""
    changes = ", ".join(f"{key}={as_json(value)}" for key, value in overrides.items())
    return f"{model} with {changes}" if changes else model


def as_json(value: Any) -> str:
    """A value of a config as one writes it after `--set key=`."""
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column: a name for machines, a title for people, and how its values are shown to people."""

    name: str
    """Header in csv, with its unit: 'memory_bytes'."""
    title: str
    """Header for people: 'memory'."""
    show: Callable[[Any], str] = as_text
    """Value -> text; csv writes the value itself."""
    right: bool = False
    """Whether it is aligned to the right, as numbers are."""
    keep: bool = False
    """Whether it may not be broken over lines, as numbers and short names."""
    optional: bool = False
    """Whether a terminal without room for it may leave it out, saying so. Other formats have it always."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of values under columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: tuple[Any, ...] | None = None
    """The row that the others add up to, where they do."""
    title: str = ""
    best: int | None = None
    """The row to point out."""
    brief: tuple[int, ...] | None = None
    """The rows that a terminal shows when all would be too many; None for all. Other formats show all."""
    caption: str = ""
    """A remark under it."""

    def texts(self, row: tuple[Any, ...]) -> tuple[str, ...]:
        """A row as people read it."""
        return tuple(column.show(value) for column, value in zip(self.columns, row, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Short facts, each with its name."""

    items: tuple[tuple[str, str], ...]
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bars:
    """Parts of a whole, as bars."""

    items: tuple[tuple[str, int], ...]
    """(name, amount); the amounts add up to the whole."""
    show: Callable[[int], str]
    title: str = ""
    unit: str = "amount"
    """What is measured, as a column's title."""

    @property
    def total(self) -> int:
        """The whole."""
        return sum(amount for _, amount in self.items)


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """Sentences that belong together, one point each."""

    items: tuple[str, ...]
    title: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """One sentence."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """One line of a tree."""

    label: str
    cells: tuple[Any, ...]
    """One value for each of the tree's columns."""
    children: tuple["Branch", ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """Lines under lines, with columns beside them."""

    root: Branch
    heading: str
    """Title over the labels."""
    columns: tuple[Column, ...]
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """Lines to be typed or kept as they are."""

    text: str
    language: str = ""
    """What they are written in: 'sh', 'toml'."""
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture in a file beside the document."""

    file: str
    """Its path, relative to the document's."""
    alt: str
    """What there is to be seen on it, for who cannot see it."""
    title: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One module of a diagram, or several that are alike."""

    label: str
    """Its own name: 'q_proj', '0-127 × 128'."""
    kind: str
    """Class of the module; '' where it is not known."""
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    """(name, shape) of each parameter that it owns itself."""
    parameters: int
    """In it and in what it contains, all of the alike ones together."""
    inner: tuple["Stage", ...] = ()
    """What it contains, in the diagram's order; a repeated stage holds the parts of one."""

    def leaves(self) -> Iterator["Stage"]:
        """What contains nothing, in order."""
        if not self.inner:
            yield self
        for stage in self.inner:
            yield from stage.leaves()


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagram:
    """What a part of a model is made of, in the order in which it is passed through."""

    stage: Stage
    """The part."""
    title: str
    caption: str
    """What the order is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Blocks under a heading, which one can ask for by name."""

    name: str
    """For machines: 'gpus'."""
    title: str
    blocks: tuple["Block", ...]


Block: TypeAlias = (
    "Table | Facts | Bars | Notes | Sentence | Tree | Code | Picture | Diagram | Section | Chart"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Document(Result):
    """An answer in words, tables and charts."""

    title: str
    """What it is about."""
    blocks: tuple["Block", ...]
    """What it says, from top to bottom."""
    table: Table
    """The table that csv consists of."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What JSON consists of."""

    def __repr__(self) -> str:
        return f"<Document {self.title!r}>"
