"""Markdown as GitHub reads it, to paste into an issue. Every row of every table."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from anatomy.documents.charts import Accuracy, Breakdown, Chart, MemoryTimeline, PhaseLevels, Treemap
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
    Stage,
    Table,
    Tree,
    share_of,
)
from anatomy.render.style import Style

_SPECIAL = re.compile(r"`[^`|\\]+`|[\\|*<`]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")


def render(document: Document, style: Style) -> str:
    """A heading, then block after block."""
    parts = (f"# {escape(document.title)}", *_written(document.blocks, level=2))
    return "\n\n".join(parts) + "\n"


def _written(blocks: Iterable[Block], level: int, under: str = "") -> Iterator[str]:
    """Blocks with their headings; one that repeats the heading that it stands under is left out."""
    for block in blocks:
        title = getattr(block, "title", "")
        if title and title != under:
            yield f"{'#' * level} {escape(title)}"
        if isinstance(block, Section):
            yield from _written(block.blocks, level + 1, title)
        else:
            yield "\n".join(_WRITERS[type(block)](block))


def escape(text: str) -> str:
    """Names as they are: nothing in them is markup, apart from `code` between marks."""
    return _SPECIAL.sub(lambda found: _escaped(found[0]), text)


def _escaped(found: str) -> str:
    return found if len(found) > 1 else "&lt;" if found == "<" else f"\\{found}"


def _table(block: Table) -> Iterator[str]:
    rows = [block.texts(row) for row in block.rows]
    if block.total is not None:
        rows.append(block.texts(block.total))
    yield from _grid([c.title for c in block.columns], [c.right for c in block.columns], rows)
    if block.caption:
        yield from ("", escape(block.caption))


def _facts(block: Facts) -> Iterator[str]:
    yield from _grid(["", ""], [False, False], block.items)


def _bars(block: Bars) -> Iterator[str]:
    rows = [(name, block.show(amount), share_of(amount, block.total)) for name, amount in block.items]
    rows.append(("total", block.show(block.total), share_of(block.total, block.total)))
    yield from _grid(["", block.unit, "share"], [False, True, True], rows)


def _notes(block: Notes) -> Iterator[str]:
    yield from (f"- {escape(item)}" for item in block.items)


def _sentence(block: Sentence) -> Iterator[str]:
    yield escape(block.text)


def _chart(block: Chart) -> Iterator[str]:
    """What the picture shows, in words: the numbers are in the tables beside it."""
    yield escape(block.words)


def _tree(block: Tree) -> Iterator[str]:
    columns = block.columns
    yield from _grid(
        [block.heading, *(c.title for c in columns)], [False, *(c.right for c in columns)], _paths(block)
    )


def _paths(block: Tree) -> Iterator[tuple[str, ...]]:
    """Each line of a tree, with the whole path of labels in place of an indentation."""

    def walk(branch: Branch, prefix: str, columns: Sequence[Column]) -> Iterator[tuple[str, ...]]:
        path = f"{prefix}{branch.label}"
        yield (path, *(c.show(v) for c, v in zip(columns, branch.cells, strict=True)))
        for child in branch.children:
            yield from walk(child, f"{path} / ", columns)

    yield (
        block.root.label,
        *(c.show(v) for c, v in zip(block.columns, block.root.cells, strict=True)),
    )
    for child in block.root.children:
        yield from walk(child, "", block.columns)


def _code(block: Code) -> Iterator[str]:
    longest = max((len(run) for run in re.findall("`+", block.text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}{block.language}", block.text.rstrip("\n"), fence)


def _picture(block: Picture) -> Iterator[str]:
    alt = re.sub(r"[\[\]]", r"\\\g<0>", escape(block.alt))
    yield f"![{alt}](<{block.file}>)"


def _diagram(block: Diagram) -> Iterator[str]:
    """A flowchart that GitHub draws with Mermaid."""
    yield from ("```mermaid", "flowchart TB")
    names = {id(leaf): f"m{number}" for number, leaf in enumerate(block.stage.leaves())}
    yield from _drawn(block.stage, names, "  ")
    yield from (f"  {a} --> {b}" for a, b in pairwise(names.values()))
    yield from ("```", "", escape(block.caption))


def _drawn(stage: Stage, names: Mapping[int, str], indent: str) -> Iterator[str]:
    shapes = (f"{name} {' × '.join(f'{size:,}' for size in shape)}" for name, shape in stage.shapes)
    said = [_in_diagram(part) for part in (stage.label, stage.kind, *shapes) if part]
    if not stage.inner:
        yield f'{indent}{names[id(stage)]}["{"<br/>".join(said)}"]'
        return
    # A frame has room for one line, and draws to the right unless it is told otherwise.
    yield f'{indent}subgraph {names[id(next(stage.leaves()))]}_{len(indent) // 2}["{", ".join(said)}"]'
    yield f"{indent}  direction TB"
    for inner in stage.inner:
        yield from _drawn(inner, names, indent + "  ")
    yield f"{indent}end"


def _in_diagram(text: str) -> str:
    """Mermaid's own escapes for what is no letter, digit or harmless mark, so that no name is read as markup."""
    return re.sub(r"[^\w .,×:()/-]", lambda found: f"#{ord(found[0])};", text)


def _grid(titles: Sequence[str], right: Sequence[bool], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _row(titles)
    yield _row(["---:" if r else "---" for r in right], raw=True)
    yield from map(_row, rows)


def _row(cells: Sequence[str], *, raw: bool = False) -> str:
    return "| " + " | ".join(cell if raw else escape(cell) for cell in cells) + " |"


_WRITERS: dict[type[Block], Callable[[Any], Iterator[str]]] = {
    Table: _table,
    Facts: _facts,
    Bars: _bars,
    Notes: _notes,
    Sentence: _sentence,
    Tree: _tree,
    Code: _code,
    Picture: _picture,
    Diagram: _diagram,
    MemoryTimeline: _chart,
    Breakdown: _chart,
    Treemap: _chart,
    Accuracy: _chart,
    PhaseLevels: _chart,
}
