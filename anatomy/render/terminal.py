"""A terminal: rich's tables and colours. Everything is a Text, so that no name is ever read as markup."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.table import Table as Grid
from rich.text import Text

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
from anatomy.render.lines import GAP, PROSE_WIDTH, TONES, dim, grid, heading, prose
from anatomy.render.style import Style, to_ascii
from anatomy.render.table import columns_with_room, left_out, table

BAR_WIDTH = 36
"""Columns of the longest bar, at most."""
LEAST_COLUMN = 12
"""A column of text is not folded to less than this; rather than that a table is wider than the terminal ..."""
WIDEST = 1000
"""... up to here."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"


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
    painter = _PAINTERS.get(type(block))
    if painter is None:  # the pictures, imported where there is one
        from anatomy.render.terminal_charts import PAINTERS

        painter = PAINTERS[type(block)]
    yield from painter(block, style)


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


def _facts(block: Facts, style: Style) -> Iterator[RenderableType]:
    if block.title:
        yield heading(block.title)
    drawn = Grid.grid(padding=(0, 2, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in block.items:
        drawn.add_row(Text(name, style="dim"), Text(value))
    yield Constrain(drawn, PROSE_WIDTH)


def _bars(block: Bars, style: Style) -> Iterator[RenderableType]:
    yield heading(block.title)
    names = max((len(name) for name, _ in block.items), default=0)
    room = max(4, min(BAR_WIDTH, style.width - names - 28))
    longest = max((amount for _, amount in block.items), default=0)
    drawn = Grid.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "right", "left"):
        drawn.add_column(justify=justify, no_wrap=True)
    for name, amount in block.items:
        drawn.add_row(
            Text(name),
            Text(block.show(amount)),
            Text(share_of(amount, block.total)),
            Text(bar(amount, longest, room), style="cyan"),
        )
    whole = share_of(block.total, block.total)
    drawn.add_row(Text("total"), Text(block.show(block.total)), Text(whole), Text(""), style="bold")
    yield drawn


def bar(amount: int, longest: int, room: int) -> str:
    """A bar to an eighth of a column; whatever is not nothing shows at least one."""
    eighths = 0 if longest == 0 else max(1, round(8 * room * amount / longest)) if amount else 0
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _notes(block: Notes, style: Style) -> Iterator[RenderableType]:
    if block.title:
        yield heading(block.title, block.tone)
    drawn = Grid.grid(padding=(0, 1, 0, 0))
    drawn.add_column(width=1)
    drawn.add_column(overflow="fold")
    for item in block.items:
        drawn.add_row(Text("-"), Text(item, style=TONES[block.tone] if block.tone == "caution" else ""))
    yield Constrain(drawn, PROSE_WIDTH)


def _sentence(block: Sentence, style: Style) -> Iterator[RenderableType]:
    yield prose(block.text, block.tone)


def _tree(block: Tree, style: Style) -> Iterator[RenderableType]:
    yield heading(block.title)
    columns = (Column(name="label", title=block.heading, keep=True), *block.columns)
    branches = list(_lines(block.root))
    lines = [
        (guide + branch.label, *(c.show(v) for c, v in zip(block.columns, branch.cells, strict=True)))
        for guide, branch in branches
    ]
    kept = columns_with_room(columns, lines, style.width)
    drawn = grid(tuple(columns[i] for i in kept))
    for (guide, branch), line in zip(branches, lines, strict=True):
        drawn.add_row(Text.assemble((guide, "dim"), branch.label), *(Text(line[i]) for i in kept[1:]))
    yield drawn
    if absent := left_out(columns, kept):
        yield dim(f"{', '.join(absent)}: with --format md or json")


def _code(block: Code, style: Style) -> Iterator[RenderableType]:
    if block.title:
        yield heading(block.title)
    yield Text(block.text.rstrip("\n"), overflow="fold")


def _picture(block: Picture, style: Style) -> Iterator[RenderableType]:
    yield prose(f"{block.file}: {block.alt}")


def _diagram(block: Diagram, style: Style) -> Iterator[RenderableType]:
    """The modules as an indented list."""
    root = _as_branch(block.stage)
    columns = (
        Column(name="kind", title="class", keep=True),
        Column(name="shapes", title="shapes"),
        Column(name="parameters", title="parameters", show=lambda n: f"{n:,}", right=True, keep=True),
    )
    yield from _tree(Tree(root=root, heading="module", columns=columns, title=block.title), style)
    yield dim(block.caption)


def _as_branch(stage: Stage) -> Branch:
    shapes = ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in stage.shapes)
    inner = tuple(_as_branch(each) for each in stage.inner)
    return Branch(label=stage.label, cells=(stage.kind, shapes, stage.parameters), children=inner)


def _section(block: Section, style: Style) -> Iterator[RenderableType]:
    yield Text(block.title, style="bold underline")
    for inner in block.blocks:
        yield Text("")
        yield from painted(inner, style)


def _lines(root: Branch) -> Iterator[tuple[str, Branch]]:
    """Each line of a tree with the guide in front of it."""

    def below(branch: Branch, indent: str) -> Iterator[tuple[str, Branch]]:
        for position, child in enumerate(branch.children):
            last = position == len(branch.children) - 1
            yield indent + ("└─ " if last else "├─ "), child
            yield from below(child, indent + ("   " if last else "│  "))

    yield "", root
    yield from below(root, "")


_PAINTERS: dict[type, Callable[[Any, Style], Iterator[RenderableType]]] = {
    Table: table,
    Facts: _facts,
    Bars: _bars,
    Notes: _notes,
    Sentence: _sentence,
    Tree: _tree,
    Code: _code,
    Picture: _picture,
    Diagram: _diagram,
    Section: _section,
}
