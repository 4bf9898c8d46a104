"""How a terminal's titles, sentences and tables look, whatever they say."""

from rich.console import RenderableType
from rich.constrain import Constrain
from rich.table import Table as Grid
from rich.text import Text

from anatomy.documents.document import Column, Tone

PROSE_WIDTH = 100
"""Sentences are not set wider than this."""
GAP = 2
"""Blanks between columns."""
TONES: dict[Tone, str] = {"plain": "", "good": "bold green", "caution": "yellow", "bad": "bold red"}
"""Tone -> rich's style."""


def heading(text: str, tone: Tone = "plain") -> Text:
    """A title."""
    return Text(text, style=TONES[tone] or "bold cyan")


def prose(text: str, tone: Tone = "plain") -> RenderableType:
    """Sentences."""
    return Constrain(Text(text, style=TONES[tone]), PROSE_WIDTH)


def dim(text: str) -> RenderableType:
    """A remark."""
    return Constrain(Text(text, style="dim"), PROSE_WIDTH)


def grid(columns: tuple[Column, ...] = (), *, marked: bool = False) -> Grid:
    """An empty table with these columns; `marked`: with one more before them, for a mark."""
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
