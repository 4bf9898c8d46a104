"""Where a model's parameters are: each module a rectangle as high as its share, what is inside it to its right."""

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from anatomy.documents.charts import Tile, Treemap
from anatomy.documents.document import share_of
from anatomy.plots.drawing import INK, cropped, headed
from anatomy.render.palette import component_color, readable_on
from anatomy.units import format_count

SIZE = (11, 6.5)
"""Inches."""
WIDTH, HEIGHT = 8.1, 5.7
"""Inches of the drawing itself, beside its legend and below its title."""
LINE = 0.15
"""Inches that a line of text needs, at least."""
LETTER = 0.068
"""Inches of a letter."""

Placed = tuple[Tile, int, float, float]
"""(tile, depth, where it begins, where it ends), as shares of all parameters from the top."""


def draw_treemap(chart: Treemap, figure: Figure) -> None:
    """From the model on the left to its smallest modules on the right; the areas of a column add up to the model."""
    figure.set_size_inches(*SIZE)
    axes = figure.add_subplot()
    placed = list(_placed(chart.root, 0, 0.0, max(1, chart.total)))
    depth = 1 + max(at for _, at, _, _ in placed)
    axes.set_xlim(0, depth)
    axes.set_ylim(1, 0)
    axes.set_axis_off()
    headed(axes, chart.title, chart.words)
    for tile, at, start, stop in placed:
        # What is in nothing smaller reaches to the right edge: a column has no holes.
        _rectangle(axes, tile, at, depth if not tile.children else at + 1, start, stop, depth, chart.total)
    _legend(chart, axes)


def _placed(tile: Tile, depth: int, start: float, total: int) -> Iterator[Placed]:
    yield tile, depth, start, start + tile.parameters / total
    for child in tile.children:
        yield from _placed(child, depth + 1, start, total)
        start += child.parameters / total


def _rectangle(
    axes: Axes, tile: Tile, left: int, right: int, start: float, stop: float, depth: int, total: int
) -> None:
    color = component_color("" if tile.children else tile.component)
    axes.add_patch(
        Rectangle(
            (left, start), right - left, stop - start, facecolor=color, edgecolor="white", linewidth=0.8
        )
    )
    height = (stop - start) * HEIGHT
    letters = int((right - left) / depth * WIDTH / LETTER) - 1
    lines = _lines(tile, total, letters, int(height / LINE))
    if lines:
        axes.text(
            left + 0.04 * depth / 5,
            (start + stop) / 2,
            "\n".join(lines),
            va="center",
            fontsize=8,
            color=readable_on(color),
            linespacing=1.1,
        )


def _lines(tile: Tile, total: int, letters: int, room: int) -> list[str]:
    """What is written on a tile: as much as there is room for, its name first."""
    name = tile.label + (f" × {tile.times}" if tile.times > 1 else "")
    size = f"{format_count(tile.parameters)}, {share_of(tile.parameters, total)}"
    if room < 1:
        return []
    if len(name) + len(size) + 2 <= letters:
        return [f"{name}  {size}"]
    return [cropped(text, letters) for text in (name, *size.split(", "))[:room]]


def _legend(chart: Treemap, axes: Axes) -> None:
    """Every component with what it holds; they add up to the model."""
    handles = [
        Patch(
            color=component_color(name),
            label=f"{name}  {format_count(count)}, {share_of(count, chart.total)}",
        )
        for name, count in chart.by_component
    ]
    axes.legend(
        handles=handles,
        title=f"{format_count(chart.total)} parameters",
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0,
        labelcolor=INK,
    )
