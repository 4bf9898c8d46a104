"""What `anatomy validate` says: how far the predictions were off, cell by cell and in all."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from anatomy.documents.document import Block, Column, Document, Facts, Notes, Sentence, Table, Tone, named
from anatomy.documents.signed import signed_share
from anatomy.units import bytes_column
from anatomy.validation.accuracy import Accuracy
from anatomy.validation.bars import Check, checks
from anatomy.validation.cell import Cell
from anatomy.validation.difference import Difference
from anatomy.validation.scores import (
    GROUPS,
    MEANINGS,
    PEAKS,
    RESTING,
    CellScore,
    Validation,
    everything,
)

SCHEMA_VERSION = 1
SIGN = (
    "errors are predicted less measured, as a share of measured; median and p95 without the sign; too little: share of "
    "the cells for which less was predicted than measured"
)
_FLAT = (
    "cell",
    "family",
    "model",
    "method",
    "held_out",
    "metric",
    "predicted_bytes",
    "measured_bytes",
    "error",
    "remark",
)


def validate_document(validation: Validation) -> Document:
    """The report on a grid."""
    return Document(
        title=f"Accuracy: {validation.title}",
        blocks=tuple(_blocks(validation)),
        table=_flat_table(validation),
        data=_data(validation),
    )


def _blocks(validation: Validation) -> Iterator[Block]:
    yield _answer(validation)
    found = checks(validation)
    if validation.metrics:
        yield _bars(found)
        yield from _accuracy(validation)
        yield _cells(validation)
        peaks = tuple((metric, MEANINGS[metric]) for metric in validation.metrics if metric in MEANINGS)
        yield Facts(
            title="Metrics",
            items=(*peaks, (f"{RESTING}...", "in use as loading, and each phase of the last step, ends")),
        )
    yield from _without_figures(validation)
    yield Sentence(text=_made_with(validation))


def _answer(validation: Validation) -> Sentence:
    total, left = len(validation.cells) + len(validation.left), len(validation.left)
    failures = sum(bool(score.failure) for score in validation.cells)
    unscored = sum(bool(score.not_scored) for score in validation.cells)
    parts = [f"{total - left - failures - unscored} of {total} cells are scored"]
    parts += [f"{failures} failed"] if failures else []
    parts += [f"{unscored} {_are(unscored)} not scored"] if unscored else []
    parts += [f"{left} {_are(left)} left for the next run"] if left else []
    found = checks(validation)
    met = all(check.met for check in found)
    tone: Tone = "good" if met and not failures and not left else "caution"
    none = all(check.found is None for check in found)
    bars = "no bar has a number" if none else "every bar is met" if met else "not every bar is met"
    return Sentence(text=f"{', '.join(parts)}; {bars}.", tone=tone)


def _bars(found: Sequence[Check]) -> Table:
    return Table(
        title="Bars",
        columns=(
            Column(name="metric", title="metric", keep=True),
            Column(name="statistic", title="error", keep=True),
            Column(name="cells", title="of", keep=True),
            Column(
                name="at_most",
                title="at most",
                show=lambda share: f"{100 * share:g} %",
                right=True,
                keep=True,
            ),
            Column(name="found", title="found", show=_unsigned, right=True, keep=True),
            Column(name="met", title="met", show=lambda met: "yes" if met else "no", keep=True),
        ),
        rows=tuple((c.metric, c.statistic, c.cells, c.at_most, c.size, c.met) for c in found),
    )


def _accuracy(validation: Validation) -> Iterator[Table]:
    """All cells, every metric; then group by group, the peaks."""
    held = {score.cell.hold_out for score in validation.cells}
    apart = GROUPS["held out"] if len(held) > 1 else everything
    yield _accuracy_table(validation, "Accuracy", "cells", apart, validation.metrics, SIGN)
    peaks = tuple(metric for metric in validation.metrics if metric in PEAKS.values())
    for name, by in GROUPS.items():
        if name != "held out":
            yield _accuracy_table(validation, f"By {name}", name, by, peaks)


def _accuracy_table(
    validation: Validation,
    title: str,
    group: str,
    by: Callable[[Cell], str],
    metrics: Iterable[str],
    caption: str = "",
) -> Table:
    rows = [(metric, *_statistics(a)) for metric in metrics for a in validation.accuracy(metric, by)]
    return Table(
        title=title,
        columns=(
            Column(name="metric", title="metric", keep=True),
            Column(name=group.replace(" ", "_"), title=group, keep=True),
            Column(name="figures", title="cells", right=True, keep=True),
            Column(name="no_number", title="failed", right=True, keep=True, optional=True),
            *(
                Column(name=name, title=name, show=show, right=True, keep=True)
                for name, show in _SHARES.items()
            ),
            Column(name="underestimates", title="too little", show=_percent, right=True, keep=True),
        ),
        rows=tuple(rows),
        caption=caption,
    )


def _statistics(a: Accuracy) -> tuple[Any, ...]:
    return (a.group, a.comparisons, a.failures, a.median, a.p95, a.worst, a.bias, a.underestimates)


def _cells(validation: Validation) -> Table:
    """One line a cell, in the order of the grid."""
    scores = [score for score in validation.cells if score.figures]
    show = bytes_column(
        [side for s in scores if s.peak for side in (s.peak.predicted_bytes, s.peak.measured_bytes)]
    )
    others = tuple(m for m in validation.metrics if m in PEAKS.values())[1:]
    return Table(
        title="Cells",
        columns=(
            Column(name="cell", title="cell", keep=True),
            Column(name="held_out", title="held out", show=lambda held: "yes" if held else "", optional=True),
            Column(name="predicted_bytes", title="peak predicted", show=show, right=True, keep=True),
            Column(name="measured_bytes", title="measured", show=show, right=True, keep=True),
            Column(name="error", title="error", show=signed_share, right=True, keep=True),
            *(
                Column(name=metric, title=metric, show=signed_share, right=True, keep=True)
                for metric in others
            ),
            Column(
                name="resting", title="worst level between phases", show=signed_share, right=True, keep=True
            ),
            Column(name="scored", title="scored", show=lambda yes: "" if yes else "no", optional=True),
        ),
        rows=tuple(_cell_row(score, others) for score in scores),
        caption="errors of the allocated peak, then of the other metrics",
    )


def _cell_row(score: CellScore, others: Iterable[str]) -> tuple[Any, ...]:
    peak = score.peak
    sizes = (None, None, None) if peak is None else (peak.predicted_bytes, peak.measured_bytes, peak.error)
    errors = (_error(score.figure(metric)) for metric in others)
    return (
        score.cell.name,
        score.cell.hold_out,
        *sizes,
        *errors,
        _error(score.worst_resting),
        not score.not_scored,
    )


def _without_figures(validation: Validation) -> Iterator[Notes]:
    failures = tuple(f"{_run(score)}: {score.failure}" for score in validation.cells if score.failure)
    unscored = tuple(f"{_run(score)}: {score.not_scored}" for score in validation.cells if score.not_scored)
    if failures:
        yield Notes(title="Failed", items=failures, tone="bad")
    if unscored:
        yield Notes(title="Not scored", items=unscored, tone="caution")
    if validation.left:
        yield Notes(title="Left for the next run", items=validation.left, tone="caution")


def _run(score: CellScore) -> str:
    cell = score.cell
    return f"{cell.name} ({named(cell.model, cell.overrides)}, {cell.recipe.method})"


def _made_with(validation: Validation) -> str:
    machines = sorted({score.machine for score in validation.cells if score.machine})
    again = "Predicted again" if validation.predicted_again else "Predicted"
    versions = ", ".join(
        f"{name} {validation.versions[name]}" for name in _PACKAGES if name in validation.versions
    )
    return f"Measured on {', '.join(machines) or 'nothing'}. {again} with {versions or 'versions that are not known'}."


_PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")


def _flat_table(validation: Validation) -> Table:
    """Every figure on a line; of a cell without any, the reason."""
    columns = tuple(Column(name=name, title=name) for name in _FLAT)
    return Table(columns=columns, rows=tuple(_flat_rows(validation)))


def _flat_rows(validation: Validation) -> Iterator[tuple[Any, ...]]:
    for score in validation.cells:
        cell = score.cell
        about = (cell.name, cell.family, named(cell.model, cell.overrides), cell.recipe.method, cell.hold_out)
        remark = score.failure or score.not_scored or None
        for f in score.figures:
            yield *about, f.name, f.predicted_bytes, f.measured_bytes, f.error, remark
        if not score.figures:
            yield *about, None, None, None, None, remark


def _data(validation: Validation) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "title": validation.title,
        "versions": dict(validation.versions),
        "predicted_again": validation.predicted_again,
        "bars": [check.to_dict() for check in checks(validation)],
        "accuracy": {
            name: {
                metric: [asdict(a) for a in validation.accuracy(metric, by)] for metric in validation.metrics
            }
            for name, by in {"all": everything, **GROUPS}.items()
        },
        "cells": [score.to_dict() for score in validation.cells],
        "left": list(validation.left),
    }


def _error(figure: Difference | None) -> float | None:
    return None if figure is None else figure.error


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _unsigned(share: float | None) -> str:
    return signed_share(share).removeprefix("+")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


_SHARES: Mapping[str, Callable[[float | None], str]] = {
    "median": _unsigned,
    "p95": _unsigned,
    "worst": signed_share,
    "bias": signed_share,
}
