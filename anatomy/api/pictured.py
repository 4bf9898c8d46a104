"""Answers as pictures."""

from importlib.util import find_spec
from os import PathLike, fspath
from typing import TYPE_CHECKING

from anatomy.errors import AnatomyError

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.documents.charts import Chart
    from anatomy.planning.compare import Comparison
    from anatomy.planning.plan import Plan
    from anatomy.profiling.record import Record
    from anatomy.validation.scores import Validation


def check_plot(path: str) -> None:
    """Before the work: raises AnatomyError when `plot` does not know what a file of this name would be, or cannot
    draw."""
    from anatomy.plots import form_of

    form_of(path)
    if find_spec("matplotlib") is None:
        raise AnatomyError(
            "A picture is drawn by matplotlib, which is not installed.", hint="pip install matplotlib"
        )


def plot(
    answer: "Plan | Comparison | Anatomy | Validation | Record | Chart",
    path: "str | PathLike[str]",
) -> None:
    """Draw an answer: of a plan the step of its peak, of a comparison the peak of each run, of a model where its
    parameters are, of a validation what was predicted against what was measured, of a profiled run the same phase by
    phase; or a chart that `anatomy.documents.charts_of` made.

    `path`: ends in .png, .svg or .pdf. Raises AnatomyError for any other ending, for a file that cannot be written, and
    where there is nothing to draw.
    """
    from pathlib import Path

    from anatomy.documents.charts_of import chart_of
    from anatomy.plots import form_of, picture

    path = fspath(path)
    content = picture(chart_of(answer), form_of(path))
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise AnatomyError(
            f"{path} cannot be written: {error.strerror}.", hint="draw into another file"
        ) from error
