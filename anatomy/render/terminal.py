"""A terminal: rich's tables and colours. Everything is a Text, so that no name is ever read as markup."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.table import Table as Grid
from rich.text import Text

from anatomy.render.style import Style, to_ascii
from anatomy.render.timeline import timeline_lines
from anatomy.report.charts import Accuracy, Breakdown, Chart, MemoryTimeline, Treemap
from anatomy.report.document import (
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
    Tone,
    Tree,
    share_of,
)

PROSE_WIDTH = 100
"""Sentences are not set wider than this."""
BAR_WIDTH = 36
"""Columns of the longest bar, at most."""
LEAST_COLUMN = 12
"""A column of text is not folded to less than this; rather than that a table is wider than the terminal ..."""
WIDEST = 1000
"""... up to here."""
LEAST_OPTIONAL = 40
"""A column that may be left out is, when there is not this much room for it."""
GAP = 2
"""Blanks between columns."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"

_TONES: dict[Tone, str] = {"plain": "", "good": "bold green", "caution": "yellow", "bad": "bold red"}


def render(document: Document, style: Style) -> str:
    """The document as lines no wider than the style's width."""
    stream = StringIO()
    console = Console(
        file=stream,
        width=WIDEST,
        force_terminal=style.color,
        color_system="256" if style.color else None,
        no_color=not style.color,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    title = Text(document.title, style="bold", overflow="fold")
    console.print(title, width=min(style.width, PROSE_WIDTH))
    for block in document.blocks:
        console.print()
        for part in painted(block, style):
            console.print(part, width=max(style.width, _least_width(part)))
    text = "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())
    return to_ascii(text) if style.ascii else text


def painted(block: Block, style: Style) -> Iterator[RenderableType]:
    """A block as rich draws it, part by part, for the style's width."""
    yield from _PAINTERS[type(block)](block, style)


def _heading(text: str, tone: Tone = "plain") -> Text:
    return Text(text, style=_TONES[tone] or "bold cyan")


def _prose(text: str, tone: Tone = "plain") -> RenderableType:
    return Constrain(Text(text, style=_TONES[tone]), PROSE_WIDTH)


def _dim(text: str) -> RenderableType:
    return Constrain(Text(text, style="dim"), PROSE_WIDTH)


def _least_width(part: RenderableType) -> int:
    """Columns without which a table's names and numbers would be broken."""
    if not isinstance(part, Grid):
        return 0
    widths = []
    for column in part.columns:
        texts = (column.header, *column.cells)
        longest = max((text.cell_len for text in texts if isinstance(text, Text)), default=0)
        widths.append(longest if column.no_wrap else min(longest, LEAST_COLUMN))
    return sum(width + GAP for width in widths)


def _grid(columns: tuple[Column, ...] = (), *, marked: bool = False) -> Grid:
    headed = any(column.title for column in columns)
    grid = Grid(box=None, show_header=headed, header_style="dim", padding=(0, GAP, 0, 0), pad_edge=False)
    if marked:
        grid.add_column("", no_wrap=True, width=1)
    for column in columns:
        grid.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            no_wrap=column.keep,
            overflow="fold",
        )
    return grid


def _table(block: Table, style: Style) -> Iterator[RenderableType]:
    if block.title:
        yield _heading(block.title)
    marked = block.best is not None
    chosen = tuple(range(len(block.rows))) if block.brief is None else block.brief
    lines = [block.texts(block.rows[index]) for index in chosen]
    if block.total is not None:
        lines.append(block.texts(block.total))
    kept = _columns_with_room(block.columns, lines, style.width - GAP * marked)
    grid = _grid(tuple(block.columns[column] for column in kept), marked=marked)
    for position, line in enumerate(lines):
        index = chosen[position] if position < len(chosen) else None
        best = marked and index == block.best
        look = "bold" if index is None else "bold green" if best else ""
        mark = ["→" if best else ""] if marked else []
        grid.add_row(*(Text(text) for text in (*mark, *(line[column] for column in kept))), style=look)
    yield grid
    yield from _remarks(block, style, hidden=len(block.rows) - len(chosen), kept=kept)


def _columns_with_room(
    columns: tuple[Column, ...], lines: list[tuple[str, ...]], width: int
) -> tuple[int, ...]:
    """The columns to show: all, or without those optional ones, the last first, that would be squeezed."""
    widths = [
        max(map(cell_len, (column.title, *(line[i] for line in lines)))) for i, column in enumerate(columns)
    ]
    room = (
        width + GAP - sum(w + GAP for w, column in zip(widths, columns, strict=True) if not column.optional)
    )
    kept = []
    for i, column in enumerate(columns):
        wanted = min(widths[i], LEAST_OPTIONAL) + GAP if column.optional else 0
        if wanted <= room or not column.optional:
            kept.append(i)
            room -= wanted
    return tuple(kept)


def _left_out(columns: tuple[Column, ...], kept: tuple[int, ...]) -> list[str]:
    titles = [column.title for i, column in enumerate(columns) if i not in kept]
    return (
        [f"column {', '.join(titles)}" if len(titles) == 1 else f"columns {', '.join(titles)}"]
        if titles
        else []
    )


def _remarks(block: Table, style: Style, *, hidden: int, kept: tuple[int, ...]) -> Iterator[RenderableType]:
    """What a table left out, and its caption."""
    more = [f"{hidden} more"] if hidden else []
    more += _left_out(block.columns, kept)
    if more:
        yield _dim(f"{', '.join(more)}: with --format md, csv or json")
    if block.caption:
        yield _dim(block.caption)


def _facts(block: Facts, style: Style) -> Iterator[RenderableType]:
    if block.title:
        yield _heading(block.title)
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in block.items:
        grid.add_row(Text(name, style="dim"), Text(value))
    yield Constrain(grid, PROSE_WIDTH)


def _bars(block: Bars, style: Style) -> Iterator[RenderableType]:
    yield _heading(block.title)
    names = max((len(name) for name, _ in block.items), default=0)
    room = max(4, min(BAR_WIDTH, style.width - names - 28))
    longest = max((amount for _, amount in block.items), default=0)
    grid = Grid.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "right", "left"):
        grid.add_column(justify=justify, no_wrap=True)
    for name, amount in block.items:
        grid.add_row(
            Text(name),
            Text(block.show(amount)),
            Text(share_of(amount, block.total)),
            Text(bar(amount, longest, room), style="cyan"),
        )
    whole = share_of(block.total, block.total)
    grid.add_row(Text("total"), Text(block.show(block.total)), Text(whole), Text(""), style="bold")
    yield grid


def bar(amount: int, longest: int, room: int) -> str:
    """A bar to an eighth of a column; whatever is not nothing shows at least one."""
    eighths = 0 if longest == 0 else max(1, round(8 * room * amount / longest)) if amount else 0
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _notes(block: Notes, style: Style) -> Iterator[RenderableType]:
    if block.title:
        yield _heading(block.title, block.tone)
    grid = Grid.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(overflow="fold")
    for item in block.items:
        grid.add_row(Text("-"), Text(item, style=_TONES[block.tone] if block.tone == "caution" else ""))
    yield Constrain(grid, PROSE_WIDTH)


def _sentence(block: Sentence, style: Style) -> Iterator[RenderableType]:
    yield _prose(block.text, block.tone)


def _tree(block: Tree, style: Style) -> Iterator[RenderableType]:
    yield _heading(block.title)
    columns = (Column(name="label", title=block.heading, keep=True), *block.columns)
    branches = list(_lines(block.root))
    lines = [
        (guide + branch.label, *(c.show(v) for c, v in zip(block.columns, branch.cells, strict=True)))
        for guide, branch in branches
    ]
    kept = _columns_with_room(columns, lines, style.width)
    grid = _grid(tuple(columns[i] for i in kept))
    for (guide, branch), line in zip(branches, lines, strict=True):
        grid.add_row(Text.assemble((guide, "dim"), branch.label), *(Text(line[i]) for i in kept[1:]))
    yield grid
    if absent := _left_out(columns, kept):
        yield _dim(f"{', '.join(absent)}: with --format md or json")


def _chart(block: Chart, style: Style) -> Iterator[RenderableType]:
    yield _heading(block.title)
    yield _prose(block.words)


def _code(block: Code, style: Style) -> Iterator[RenderableType]:
    if block.title:
        yield _heading(block.title)
    yield Text(block.text.rstrip("\n"), overflow="fold")


def _picture(block: Picture, style: Style) -> Iterator[RenderableType]:
    yield _prose(f"{block.file}: {block.alt}")


def _diagram(block: Diagram, style: Style) -> Iterator[RenderableType]:
    """The modules as an indented list."""
    root = _as_branch(block.stage)
    columns = (
        Column(name="kind", title="class", keep=True),
        Column(name="shapes", title="shapes"),
        Column(name="parameters", title="parameters", show=lambda n: f"{n:,}", right=True, keep=True),
    )
    yield from _tree(Tree(root=root, heading="module", columns=columns, title=block.title), style)
    yield _dim(block.caption)


def _as_branch(stage: Stage) -> Branch:
    shapes = ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in stage.shapes)
    inner = tuple(_as_branch(each) for each in stage.inner)
    return Branch(label=stage.label, cells=(stage.kind, shapes, stage.parameters), children=inner)


def _section(block: Section, style: Style) -> Iterator[RenderableType]:
    yield Text(block.title, style="bold underline")
    for inner in block.blocks:
        yield Text("")
        yield from painted(inner, style)


def _timeline(block: MemoryTimeline, style: Style) -> Iterator[RenderableType]:
    """Drawn where there is room for it; in words elsewhere."""
    lines = tuple(timeline_lines(block, style))
    if not lines:
        yield from _chart(block, style)
        return
    yield _heading(block.title)
    yield from lines


def _lines(root: Branch) -> Iterator[tuple[str, Branch]]:
    """Each line of a tree with the guide in front of it."""

    def below(branch: Branch, indent: str) -> Iterator[tuple[str, Branch]]:
        for position, child in enumerate(branch.children):
            last = position == len(branch.children) - 1
            yield indent + ("└─ " if last else "├─ "), child
            yield from below(child, indent + ("   " if last else "│  "))

    yield "", root
    yield from below(root, "")


_PAINTERS: dict[type[Block], Callable[[Any, Style], Iterator[RenderableType]]] = {
    Table: _table,
    Facts: _facts,
    Bars: _bars,
    Notes: _notes,
    Sentence: _sentence,
    Tree: _tree,
    Code: _code,
    Picture: _picture,
    Diagram: _diagram,
    Section: _section,
    MemoryTimeline: _timeline,
    Breakdown: _chart,
    Treemap: _chart,
    Accuracy: _chart,
}
