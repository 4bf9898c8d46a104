"""Where the parameters are: an icicle. Every module is a button as wide as its share; what is inside hangs below it."""

from collections.abc import Iterator

from anatomy.documents.charts import Tile, Treemap
from anatomy.documents.document import share_of
from anatomy.render.html.behind import behind
from anatomy.render.html.markup import Markup, element
from anatomy.render.html.placed import Placed
from anatomy.render.html.tables import Cell, Grid
from anatomy.render.palette import component_color


def icicle(chart: Treemap, id_: str, placed: Placed) -> Markup:
    """The figure: words, a box to filter by, the tiles, what is under the mouse, and the numbers behind it."""
    depth = _depth(chart.root)
    tiles = list(_tiles(chart.root, chart, 0, 0, placed))
    box = element("input", type="search", id=f"{id_}-modules", autocomplete="off", disabled=True)
    return element(
        "figure",
        element("figcaption", chart.words),
        element(
            "p", element("label", "Filter modules ", for_=f"{id_}-modules"), box, " ",
            element("button", "Whole model", type="button", class_="whole", disabled=True),
            class_="tools",
        ),
        element("div", tiles, class_=f"tiles rows-{min(depth, 12)}", role="group", aria_label="Modules by parameters"),
        element("p", _said(chart.root, chart), class_="readout", role="status"),
        element("ul", list(_legend(chart, placed)), class_="families"),
        behind(_numbers(chart), id_),
        class_="chart icicle",
        data_total=chart.total,
    )  # fmt: skip


def _depth(tile: Tile) -> int:
    return 1 + max(map(_depth, tile.children), default=0)


def _tiles(tile: Tile, chart: Treemap, start: int, row: int, placed: Placed) -> Iterator[Markup]:
    """A tile and those inside; `start`: parameters to its left."""
    whole = max(1, chart.total)
    place = placed.at(left=start / whole, width=tile.parameters / whole)
    yield element(
        "button",
        tile.label,
        type="button",
        class_=f"tile row-{min(row, 11)} {place} {placed.painted(component_color(tile.component))}",
        aria_label=_said(tile, chart),
        data_start=start,
        data_value=tile.parameters,
        data_row=row,
        data_words=f"{tile.path} {tile.kind} {tile.component} {tile.label}".lower(),
    )
    for child in tile.children:
        yield from _tiles(child, chart, start, row + 1, placed)
        start += child.parameters


def _said(tile: Tile, chart: Treemap) -> str:
    times = f", {tile.times} alike" if tile.times > 1 else ""
    kind = ", ".join(filter(None, (tile.kind, tile.component)))
    return (
        f"{tile.path or tile.label}{times}{f' ({kind})' if kind else ''}: {tile.parameters:,} parameters, "
        f"{share_of(tile.parameters, chart.total)}"
    )


def _legend(chart: Treemap, placed: Placed) -> Iterator[Markup]:
    for name, _ in chart.by_component:
        yield element(
            "li", element("span", "", class_=f"swatch {placed.painted(component_color(name))}"), name
        )


def _numbers(chart: Treemap) -> Grid:
    def rows(tile: Tile, depth: int) -> Iterator[list[Cell]]:
        yield [
            Cell(text=tile.label, depth=depth, keep=True),
            Cell(text=tile.kind),
            Cell(text=tile.component),
            Cell(text=str(tile.times) if tile.times > 1 else "", value=tile.times, right=True),
            Cell(text=f"{tile.parameters:,}", value=tile.parameters, right=True, keep=True),
            Cell(text=share_of(tile.parameters, chart.total), right=True, keep=True),
        ]
        for child in tile.children:
            yield from rows(child, depth + 1)

    titles = (
        ("module", False),
        ("class", False),
        ("component", False),
        ("times", True),
        ("parameters", True),
    )
    return Grid(
        name="Parameters by module",
        heads=(*titles, ("share", True)),
        rows=list(rows(chart.root, 0)),
        filterable=True,
        caption="what stands one step further in adds up to the line above it",
    )
