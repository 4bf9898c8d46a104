"""Pictures as files: a chart -> PNG, SVG or PDF, drawn by matplotlib, which is imported once a picture is asked for.

The same chart gives the same bytes with the same version of matplotlib: no dates, no random ids, no user's settings,
and the font that comes with matplotlib.
"""

from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, get_args

from anatomy.documents.charts import Chart
from anatomy.errors import AnatomyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anatomy.plots.drawing import Draw

Form = Literal["png", "svg", "pdf"]
FORMS: tuple[Form, ...] = get_args(Form)


def form_of(path: str) -> Form:
    """What a file of this name will be. Raises AnatomyError for any other ending."""
    ending = PurePath(path).suffix.lower()
    for form in FORMS:
        if ending == f".{form}":
            return form
    said = f"ends in {ending}" if ending else "has no ending"
    raise AnatomyError(
        f"{path} {said}, and a picture is a .png, an .svg or a .pdf file.",
        hint=".svg is for web pages, .png for chats, .pdf for papers",
    )


def picture(chart: Chart, form: Form) -> bytes:
    """The content of a picture file."""
    from anatomy.plots.drawing import drawn

    return drawn(chart, _drawings()[type(chart)], form)


def _drawings() -> "Mapping[type, Draw]":
    from anatomy.documents.charts import Accuracy, Breakdown, MemoryTimeline, PhaseLevels, Treemap
    from anatomy.plots.accuracy import draw_accuracy
    from anatomy.plots.breakdown import draw_breakdown
    from anatomy.plots.icicle import draw_treemap
    from anatomy.plots.phases import draw_phases
    from anatomy.plots.timeline import draw_timeline

    return {
        MemoryTimeline: draw_timeline,
        Breakdown: draw_breakdown,
        Treemap: draw_treemap,
        Accuracy: draw_accuracy,
        PhaseLevels: draw_phases,
    }
