"""The whole comparison: every comparable run rehearsed, every other one with its reason."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from anatomy.errors import AnatomyError
from anatomy.validation.published.accuracy import Comparison
from anatomy.validation.published.comparable import comparable
from anatomy.validation.published.predict import Prediction, predict
from anatomy.validation.published.row import METRICS, Row

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """What the tables are made of."""

    comparisons: tuple[Comparison, ...]
    excluded: tuple[tuple[Row, str], ...]
    """Rows that are not compared, each with its reason."""
    versions: Mapping[str, str]
    """The libraries that were rehearsed."""


def study(rows: Iterable[Row], tell: Tell, test: Callable[[Row], str | None] = comparable) -> Study:
    """Rehearse what passes `test`, one run after the other; `tell` hears which."""
    comparisons: list[Comparison] = []
    excluded: list[tuple[Row, str]] = []
    for row in rows:
        reason = test(row)
        if reason is not None:
            excluded.append((row, reason))
            continue
        tell(f"rehearsing {row.id}")
        comparisons += _compare(row)
    return Study(comparisons=tuple(comparisons), excluded=tuple(excluded), versions=installed_versions())


def _compare(row: Row) -> list[Comparison]:
    outcome = _attempt(row)
    found = []
    for figure in row.measured:
        if figure.metric not in METRICS or figure.bytes is None:
            continue
        found.append(
            Comparison(
                row=row,
                figure=figure,
                measured_bytes=figure.bytes,
                predicted_bytes=None if isinstance(outcome, str) else outcome.figures.get(figure.metric),
                peak="" if isinstance(outcome, str) else outcome.peak,
                failure=outcome if isinstance(outcome, str) else outcome.failures.get(figure.metric, ""),
            )
        )
    return found


def _attempt(row: Row) -> Prediction | str:
    """The prediction, or why there is none: a failure belongs into the table, whatever its kind."""
    try:
        return predict(row)
    except AnatomyError as error:
        return error.message
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        return f"{type(error).__name__}: {first}"


def installed_versions() -> dict[str, str]:
    """Installed versions without the build they came in ('+cpu'), which changes no number."""
    from importlib.metadata import version

    return {
        name: version(name).partition("+")[0] for name in ("torch", "transformers", "peft", "bitsandbytes")
    }
