"""From a drawing to bytes: matplotlib's settings, set here and nowhere else, and what each kind of file says of itself."""

import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anatomy.documents.charts import Chart
from anatomy.plots.svg import shortened
from anatomy.render.palette import CATEGORY_COLORS, CATEGORY_HATCHES, readable_on
from anatomy.render.shown import shown

Draw = Callable[[Any, Figure], None]
"""Draws a chart onto an empty figure, whose size it sets."""

INK, FAINT, ALARM = "#1a1a1a", "#6b6b6b", "#a00000"
"""Text and axes; what stands back; the card's line and what is above it. All dark: they are read in grey as well."""

_SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # else every word names ten fonts more
    "font.size": 9,
    "text.parse_math": False,  # a '$' in a model's name is a '$'
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "svg.hashsalt": "anatomy",
    "svg.fonttype": "none",  # words stay words: to be searched, read aloud and translated
    "pdf.fonttype": 42,
}


def drawn(chart: Chart, draw: Draw, form: str) -> bytes:
    """The chart as a file of this form. Whoever uses matplotlib beside us keeps their settings."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # of a name in another script
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        draw(chart, figure)
        stream = BytesIO()
        title, words = plain(chart.title), plain(chart.words)
        figure.savefig(stream, format=form, metadata=_METADATA[form](title, words))
    return _described(stream.getvalue(), title, words) if form == "svg" else stream.getvalue()


_METADATA: dict[str, Callable[[str, str], dict[str, str | None]]] = {
    "png": lambda title, words: {"Software": None, "Title": title, "Description": words},
    "svg": lambda title, words: {"Date": None, "Creator": None, "Title": title},
    "pdf": lambda title, words: {
        "CreationDate": None,
        "Producer": None,
        "Creator": None,
        "Title": title,
        "Subject": words,
    },
}
"""Form -> what the file says of itself; None leaves out what matplotlib would say: dates and its own version."""


def _described(svg: bytes, title: str, words: str) -> bytes:
    """With a description beside the title that matplotlib writes, for readers of the screen."""
    named = f"<title>{escape(title)}</title>"
    head, body = shortened(svg.decode()).split(named, 1)
    head = head.replace("<svg ", '<svg role="img" ', 1)
    return f"{head}{named}<desc>{escape(words)}</desc>{body}".encode()


def plain(text: str) -> str:
    """A text of anybody's on one line, without what a file of text must not hold."""
    return shown(" ".join(text.split()))


def cropped(text: str, width: int) -> str:
    """At most so many characters."""
    text = plain(text)
    return text if len(text) <= width else text[: width - 1] + "…"


def headed(axes: Any, title: str, remark: str = "") -> None:
    """The title over a drawing, from its left edge on, and a smaller line under it."""
    axes.set_title(cropped(title, 110), loc="left", fontsize=11, fontweight="bold", pad=20 if remark else 8)
    if remark:
        line = axes.text(0, 1, cropped(remark, 150), transform=_above(axes), color=FAINT, va="bottom")
        line.set_in_layout(False)  # it may be wider than what it stands over


def _above(axes: Any) -> Any:
    """Coordinates of the axes, six points further up."""
    from matplotlib.transforms import ScaledTranslation

    return axes.transAxes + ScaledTranslation(0, 6 / 72, axes.figure.dpi_scale_trans)


def mixed(color: str, other: str, share: float) -> str:
    """A colour with so much of another in it."""
    pairs = ((int(color[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


HATCHED = 0.55
"""How much of black, or of white, there is in a hatch: to be seen in grey, and not to press forward in colour."""

LOOKS: dict[str, dict[str, Any]] = {
    category.value: {
        "facecolor": color,
        "edgecolor": mixed(color, readable_on(color), HATCHED),
        "hatch": CATEGORY_HATCHES[category],
        "linewidth": 0,
    }
    for category, color in CATEGORY_COLORS.items()
}
"""Category -> how its area is filled. The edge, which is not drawn, is the hatch's colour."""
