"""Each block as HTML. A value that is a number stands whole beside its text, in `data-value`."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, get_args

from anatomy.documents.charts import Accuracy, Breakdown, Chart, MemoryTimeline, PhaseLevels, Treemap
from anatomy.documents.document import (
    Bars,
    Block,
    Branch,
    Code,
    Column,
    Diagram,
    Facts,
    Notes,
    Picture,
    Section,
    Sentence,
    Stage,
    Table,
    Tree,
    share_of,
)
from anatomy.documents.sections import slug
from anatomy.render.html.charts import accuracy, breakdown
from anatomy.render.html.icicle import icicle
from anatomy.render.html.markup import Markup, element
from anatomy.render.html.phases import phases
from anatomy.render.html.placed import Placed
from anatomy.render.html.tables import Cell, Grid, grid
from anatomy.render.html.timeline import timeline

SORTABLE = 3
"""Tables of so many rows and more can be sorted ..."""
FILTERABLE = 12
"""... and of so many filtered."""


class Writer:
    """Writes the blocks of one page; knows which ids are taken."""

    def __init__(self, placed: Placed) -> None:
        self._ids: Counter[str] = Counter()
        self._writers: dict[type[Block], Callable[[Any], Markup]] = {
            Table: self._table,
            Facts: self._facts,
            Bars: self._bars,
            Notes: _notes,
            Sentence: _sentence,
            Tree: self._tree,
            Code: self._code,
            Picture: _picture,
            Diagram: _diagram,
            MemoryTimeline: lambda block: timeline(block, self.id("timeline"), placed),
            Treemap: lambda block: icicle(block, self.id("icicle"), placed),
            Breakdown: lambda block: breakdown(block, self.id("breakdown")),
            Accuracy: lambda block: accuracy(block, self.id("accuracy")),
            PhaseLevels: lambda block: phases(block, self.id("phases")),
        }

    def id(self, name: str) -> str:
        """An id that nothing else on the page has. No section's name ends in a number behind two hyphens."""
        self._ids[name] += 1
        return f"{name}--{self._ids[name]}"

    def sections(self, sections: Iterable[Section]) -> Iterator[Markup]:
        """Sections that can be folded, open at first."""
        for section in sections:
            yield element(
                "section",
                element(
                    "details",
                    element("summary", element("h2", section.title, id=f"{section.name}--title")),
                    list(self._blocks(section)),
                    open=True,
                ),
                id=section.name,
                aria_labelledby=f"{section.name}--title",
            )

    def _blocks(self, section: Section) -> Iterator[Markup]:
        for block in section.blocks:
            title = getattr(block, "title", "")
            headed = not isinstance(block, (*get_args(Chart), Picture))
            if title and headed and title != section.title:
                yield element("h3", title)
            yield self._writers[type(block)](block)

    def _table(self, block: Table) -> Markup:
        def cells(row: Sequence[Any]) -> list[Cell]:
            return [
                Cell(text=text, value=value, right=column.right, keep=column.keep)
                for column, value, text in zip(block.columns, row, block.texts(tuple(row)), strict=True)
            ]

        return grid(
            Grid(
                name=block.title or "Table",
                heads=tuple((column.title, column.right) for column in block.columns),
                rows=tuple(map(cells, block.rows)),
                total=None if block.total is None else cells(block.total),
                best=block.best,
                caption=block.caption,
                sortable=len(block.rows) >= SORTABLE,
                filterable=len(block.rows) >= FILTERABLE,
            ),
            self.id("table"),
        )

    def _facts(self, block: Facts) -> Markup:
        return element(
            "dl", [element("div", element("dt", name), element("dd", value)) for name, value in block.items]
        )

    def _bars(self, block: Bars) -> Markup:
        most = max((amount for _, amount in block.items), default=0)
        rows = [
            [
                Cell(text=name),
                Cell(text=block.show(amount), value=amount, right=True),
                Cell(text=share_of(amount, block.total), right=True),
                Cell(markup=_bar(amount, most)),
            ]
            for name, amount in block.items
        ]
        total = [
            Cell(text="total"),
            Cell(text=block.show(block.total), value=block.total, right=True),
            Cell(text=share_of(block.total, block.total), right=True),
            Cell(),
        ]
        heads = (("part", False), (block.unit, True), ("share", True), ("", False))
        return grid(
            Grid(name=block.title or "Parts", heads=heads, rows=tuple(rows), total=total), self.id("table")
        )

    def _tree(self, block: Tree) -> Markup:
        def lines(branch: Branch, depth: int) -> Iterator[list[Cell]]:
            yield [Cell(text=branch.label, depth=depth), *map(_cell, block.columns, branch.cells)]
            for child in branch.children:
                yield from lines(child, depth + 1)

        heads = ((block.heading, False), *((column.title, column.right) for column in block.columns))
        rows = tuple(lines(block.root, 0))
        return grid(
            Grid(name=block.title, heads=heads, rows=rows, filterable=len(rows) >= FILTERABLE),
            self.id("table"),
        )

    def _code(self, block: Code) -> Markup:
        text = element("pre", element("code", block.text.rstrip("\n")), tabindex=0, role="group", aria_label=block.title or "Code")  # fmt: skip
        return element("div", text, class_="code")


def _cell(column: Column, value: Any) -> Cell:
    return Cell(text=column.show(value), value=value, right=column.right, keep=column.keep)


def _bar(amount: int, most: int) -> Markup:
    width = round(100 * amount / most, 2) if most else 0
    bar = element("rect", width=max(width, 0.5) if amount else 0, height=10, class_="bar")
    return element(
        "svg", bar, viewbox="0 0 100 10", class_="bars", aria_hidden="true", preserveaspectratio="none"
    )


def _notes(block: Notes) -> Markup:
    return element("ul", [element("li", item) for item in block.items], class_=f"notes {block.tone}")


def _sentence(block: Sentence) -> Markup:
    return element("p", block.text, class_=f"said {block.tone}")


def _picture(block: Picture) -> Markup:
    """A page is one file: what a picture beside it would show stands in words."""
    return element("p", block.alt)


def _diagram(block: Diagram) -> Markup:
    figure = element("ol", _stage(block.stage), class_="diagram", aria_label=slug(block.title))
    return element("figure", figure, element("figcaption", block.caption))


def _stage(stage: Stage) -> Markup:
    said = [element("strong", stage.label)]
    said += [element("span", stage.kind, class_="kind")] if stage.kind else []
    said += [
        element("span", f"{name} {' × '.join(f'{size:,}' for size in shape)}", class_="shape")
        for name, shape in stage.shapes
    ]
    said.append(
        element("span", f"{stage.parameters:,} parameters", class_="count", data_value=stage.parameters)
        if stage.parameters
        else element("span", "no parameters", class_="count")
    )
    inner = element("ol", [_stage(each) for each in stage.inner]) if stage.inner else None
    return element("li", element("div", [(part, " ") for part in said], class_="stage"), inner)
