"""HTML for a notebook's cell: no scripts, no ids, no colours of its own but for tones, so that it is read in light and dark."""

from collections.abc import Iterator, Sequence
from typing import Any

from anatomy.documents.document import (
    Bars,
    Block,
    Branch,
    Code,
    Column,
    Diagram,
    Document,
    Facts,
    Notes,
    Picture,
    Section,
    Sentence,
    Table,
    Tree,
    share_of,
)
from anatomy.render.html.markup import Content, Markup, element, joined

OPEN = 3
"""Titled blocks that are seen at once; the others unfold."""
STYLE = Markup("""
.anatomy-result { max-width: 60em; line-height: 1.4 }
.anatomy-result table { border-collapse: collapse; margin: 0.4em 0; font-variant-numeric: tabular-nums }
.anatomy-result th, .anatomy-result td { padding: 0.1em 0.8em 0.1em 0; text-align: left; vertical-align: top; font-weight: inherit }
.anatomy-result thead th { opacity: 0.7; border-bottom: 1px solid currentColor }
.anatomy-result .number { text-align: right }
.anatomy-result .number, .anatomy-result .keep { white-space: nowrap }
.anatomy-result .total td, .anatomy-result .total th { border-top: 1px solid currentColor }
.anatomy-result .best, .anatomy-result .strong { font-weight: bold }
.anatomy-result .small { opacity: 0.7; font-size: 90% }
.anatomy-result p { margin: 0.4em 0 }
.anatomy-result details { margin: 0.4em 0 }
.anatomy-result summary { cursor: pointer; font-weight: bold }
.anatomy-result meter { width: 8em }
""")
"""Of the cell alone; without it, what is there can be read as well."""
_TONES = {"good": "✓ ", "caution": "! ", "bad": "✗ "}
"""Tone -> mark; the words say the same."""


def fragment(document: Document) -> str:
    """The document as one element, in ASCII: characters beyond are written as references."""
    parts: list[Content] = [element("style", STYLE), element("p", document.title, class_="strong")]
    seen = 0
    for block in document.blocks:
        title = getattr(block, "title", "")
        body = joined(list(_written(block)))
        if not body:
            continue
        if not title:
            parts.append(body)
        else:
            seen += 1
            parts.append(element("details", element("summary", title), body, open=seen <= OPEN))
    whole = element("div", parts, class_="anatomy-result")
    return str(whole).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _written(block: Block) -> Iterator[Content]:
    match block:
        case Table():
            yield from _table(block)
        case Facts():
            yield _grid((), [[(name, "keep"), (value, None)] for name, value in block.items])
        case Bars():
            yield _bars(block)
        case Notes():
            yield element("ul", [element("li", item) for item in block.items])
        case Sentence():
            yield element("p", _TONES.get(block.tone, ""), block.text)
        case Tree():
            yield _tree(block)
        case Code():
            yield element("pre", block.text)
        case Section():
            for inner in block.blocks:
                title = getattr(inner, "title", "")
                if title not in ("", block.title):
                    yield element("p", title, class_="strong")
                yield from _written(inner)
        case Picture():
            yield element("p", block.alt)
        case Diagram():
            yield element("p", block.caption)
        case _:  # a chart
            yield element("p", block.words)


Cells = Sequence[tuple[Content, str | None]]
"""(content, class) of each cell: 'number', 'keep' for what is not broken over lines, or None."""


def _grid(heads: Cells, rows: Sequence[Cells], total: Cells | None = None, best: int | None = None) -> Markup:
    head = element("thead", _row(heads, head=True)) if any(text for text, _ in heads) else None
    body = element("tbody", [_row(row, mark="best" if at == best else None) for at, row in enumerate(rows)])
    foot = None if total is None else element("tfoot", _row(total, mark="total"))
    return element("table", head, body, foot)


def _row(cells: Cells, *, head: bool = False, mark: str | None = None) -> Markup:
    written = [
        element(
            "th" if head or not at else "td",
            content,
            scope="col" if head else "row" if not at else None,
            class_=looks,
        )
        for at, (content, looks) in enumerate(cells)
    ]
    return element("tr", written, class_=mark)


def _table(block: Table) -> Iterator[Content]:
    """The rows that a terminal would show, and how many there are."""
    shown = range(len(block.rows)) if block.brief is None else block.brief
    best = None if block.best is None or block.best not in shown else [*shown].index(block.best)
    yield _grid(
        [(column.title, _looks(column)) for column in block.columns],
        [_cells(block.columns, block.rows[at]) for at in shown],
        None if block.total is None else _cells(block.columns, block.total),
        best,
    )
    left = len(block.rows) - len(shown)
    said = "; ".join(
        filter(None, (block.caption, f"{left} more rows in to_frame() and to_markdown()" if left else ""))
    )
    if said:
        yield element("p", said, class_="small")


def _cells(columns: Sequence[Column], row: Sequence[Any]) -> Cells:
    return [(column.show(value), _looks(column)) for column, value in zip(columns, row, strict=True)]


def _looks(column: Column) -> str | None:
    return "number" if column.right else "keep" if column.keep else None


def _bars(block: Bars) -> Markup:
    most = max((amount for _, amount in block.items), default=0)
    rows: list[Cells] = [
        [
            (name, "keep"),
            (block.show(amount), "number"),
            (share_of(amount, block.total), "number"),
            (element("meter", value=amount, max=most or 1, aria_hidden="true"), None),
        ]
        for name, amount in block.items
    ]
    total: Cells = [
        ("total", None),
        (block.show(block.total), "number"),
        (share_of(block.total, block.total), "number"),
        ("", None),
    ]
    return _grid((), rows, total)


def _tree(block: Tree) -> Markup:
    def lines(branch: Branch, depth: int) -> Iterator[Cells]:
        label = "\u00a0" * 3 * depth + branch.label
        yield [(label, "keep"), *_cells(block.columns, branch.cells)]
        for child in branch.children:
            yield from lines(child, depth + 1)

    heads = [(block.heading, None), *((column.title, _looks(column)) for column in block.columns)]
    return _grid(heads, [*lines(block.root, 0)])
