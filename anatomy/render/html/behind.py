"""What every chart has: a legend, and its numbers as a table to unfold."""

from collections.abc import Sequence

from anatomy.memory.timeline import Category
from anatomy.render.html.markup import Markup, element
from anatomy.render.html.tables import Grid, grid
from anatomy.render.palette import CATEGORY_COLORS


def behind(table: Grid, id_: str) -> Markup:
    """The numbers that a chart is drawn of."""
    return element("details", element("summary", "The numbers behind it"), grid(table, id_), class_="behind")


def legend(categories: Sequence[Category], name: str) -> Markup:
    """A button for each category; a script makes them work."""
    buttons = [
        element(
            "button",
            swatch(CATEGORY_COLORS[category]),
            category.value,
            type="button",
            aria_pressed="true",
            data_category=category.value,
            disabled=True,
        )
        for category in categories
    ]
    return element("div", buttons, role="group", aria_label=name, class_="legend")


def swatch(color: str) -> Markup:
    """A dot of a colour."""
    dot = element("rect", width=10, height=10, fill=color)
    return element("svg", dot, viewbox="0 0 10 10", class_="swatch", aria_hidden="true")
