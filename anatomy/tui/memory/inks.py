"""What the names in a picture look like in a terminal."""

from functools import cache

from rich.style import Style
from textual.color import Color

from anatomy.memory.timeline import Category
from anatomy.render.palette import CATEGORY_COLORS, CATEGORY_LETTERS

_COLORS = {category.value: Color.parse(color) for category, color in CATEGORY_COLORS.items()}


@cache
def ink(name: str) -> Style | None:
    """Letters and blocks in a category's colour; None for a name that is no category."""
    return Style(color=_COLORS[name].rich_color) if name in _COLORS else None


@cache
def ground(name: str) -> Style | None:
    """A category's colour behind text that can be read on it; None for a name that is no category."""
    if name not in _COLORS:
        return None
    color = _COLORS[name]
    text = color.get_contrast_text(1.0).rich_color
    return Style(color=text, bgcolor=color.rich_color)


def letter(category: Category) -> tuple[str, Style]:
    """A category's letter, on its colour."""
    return CATEGORY_LETTERS[category], ground(category.value) or Style()
