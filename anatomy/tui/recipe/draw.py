"""The form's lines as text. Without colour they say the same."""

from collections.abc import Sequence
from textwrap import wrap

from textual.content import Content

from anatomy.tui.recipe.rows import MARKS, Row

LABEL, LABEL_OF_MORE = 14, 24
"""Columns of the labels: of the settings that are always seen, and of the others where there is room."""
ROOMY = 52
"""Columns from which on there is."""
CURSOR = "reverse $block-cursor-background on $block-cursor-foreground"
"""The line with the cursor, turned round so that it is seen without colour too."""
TAKE_BACK = "↺"


def row_text(row: Row, width: int, *, here: bool, focused: bool) -> Content:
    """A line of the form, and under it why its value is another one, or was not taken."""
    label = LABEL if row.field.primary else LABEL_OF_MORE if width >= ROOMY else LABEL + 4
    end = f" {TAKE_BACK}" if row.mark == "chosen" else ""
    room = max(4, width - 2 - label - len(end))
    value = Content(row.text).truncate(room, ellipsis=True, pad=True)
    line = Content.assemble(
        (f"{MARKS[row.mark]} ", "bold"),
        Content(row.field.label).truncate(label - 1, ellipsis=True, pad=True),
        " ",
        value.stylize("bold") if row.mark != "default" else value,
        end,
    )
    if here:
        line = line.stylize(CURSOR if focused else "on $boost")
    elif row.needs:
        line = line.stylize("$text-disabled")
    said = [line]
    if row.why:
        said.append(_under(row.why, "    ", width).stylize("$text-muted italic"))
    if row.refused:
        said.append(_under(f"! {row.refused}", "  ", width).stylize("$text-error"))
    return Content("\n").join(said)


def _under(text: str, indent: str, width: int) -> Content:
    """A sentence set in below a line."""
    lines = wrap(text, max(20, width), initial_indent=indent, subsequent_indent="    ")
    return Content("\n".join(lines))


def more_line(rows: Sequence[Row], unfolded: bool, width: int, *, here: bool, focused: bool) -> Content:
    """The line that unfolds the other settings: how many there are, and how many of them somebody chose."""
    more = [row for row in rows if not row.field.primary]
    chosen = sum(row.mark == "chosen" for row in more)
    said = f", {chosen} chosen" if chosen else ""
    line = Content(f"{'▾' if unfolded else '▸'} {len(more)} more settings{said}").truncate(width, pad=True)
    if here:
        return line.stylize(CURSOR if focused else "on $boost")
    return line.stylize("bold")


def about_text(row: Row | None) -> Content:
    """What a setting means, its whole value, and what it needs."""
    if row is None:
        return Content("enter unfolds every other setting").stylize("$text-muted")
    needs = f" Needs {row.needs}." if row.needs else ""
    name = row.field.name if row.field.name != row.field.label else ""
    return Content.assemble(
        (row.field.label + (f" ({name})" if name else ""), "bold"),
        f" {row.text}.",
        (needs, "$text-warning"),
        (f" {row.field.about}", "$text-muted"),
    )
