"""Tables of what was predicted beside what was measured."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from anatomy.documents.document import Block, Column, Sentence, Table
from anatomy.documents.signed import signed_bytes, signed_share
from anatomy.units import bytes_column, format_bytes
from anatomy.validation.comparison import ProfileComparison
from anatomy.validation.difference import Difference, PhaseDifference
from anatomy.validation.residuals import Residual, Residuals

RESIDUALS_SHOWN = 10
"""Rows that a terminal shows of either list; other formats have all."""
SIGN = "difference = predicted - measured: negative where the prediction was too small"
PHASES = "peak: the most during that phase of that step; after it: when it ended; each beside its prediction"
_PEAKS = {
    "allocated": "allocated",
    "reserved": "reserved",
    "device": "on the device",
    "context": "of it context",
}


def peaks(comparison: ProfileComparison) -> Iterator[Table]:
    """The peaks that are called VRAM, each by its name."""
    if not comparison.peaks:
        return
    names = {**_PEAKS, "allocated": "allocated" if comparison.unit == "allocator" else "requested"}
    yield Table(
        title="Peaks",
        columns=(
            Column(name="name", title="peak", show=lambda name: names.get(name, name), keep=True),
            *_figures(comparison.peaks),
            Column(name="error", title="error", show=signed_share, right=True, keep=True),
        ),
        rows=tuple((*_row(figure), figure.error) for figure in comparison.peaks),
        caption=SIGN,
    )


def categories(comparison: ProfileComparison) -> Iterator[Table]:
    """What is alive at the peak, each side at its own."""
    figures = comparison.categories
    if not figures:
        return
    total = Difference(
        name="total",
        predicted_bytes=sum(figure.predicted_bytes for figure in figures),
        measured_bytes=sum(figure.measured_bytes for figure in figures),
    )
    yield Table(
        title="In use at the peak",
        columns=(Column(name="category", title="category", keep=True), *_figures([*figures, total])),
        rows=tuple(_row(figure) for figure in figures),
        total=_row(total),
        caption="each side at its own peak; the measured side as the profiler saw it",
    )


def phases(comparison: ProfileComparison) -> Iterator[Table]:
    """Levels phase by phase: in use, and on CUDA reserved."""
    rows = comparison.phases
    if not rows:
        return
    what = "Allocated" if comparison.unit == "allocator" else "Requested"
    yield _levels(f"{what}, phase by phase", rows, [(row.highest, row.end) for row in rows])
    held = [
        (row, (row.highest_reserved, row.end_reserved))
        for row in rows
        if row.highest_reserved is not None and row.end_reserved is not None
    ]
    if held:
        yield _levels("Reserved, phase by phase", [row for row, _ in held], [pair for _, pair in held])


def _levels(title: str, rows: Iterable[PhaseDifference], pairs: list[Any]) -> Table:
    rows = list(rows)
    peak, after = [highest for highest, _ in pairs], [end for _, end in pairs]
    show = bytes_column(
        size for figure in (*peak, *after) for size in (figure.predicted_bytes, figure.measured_bytes)
    )
    signed = signed_bytes(figure.bytes for figure in (*peak, *after))
    last = max(row.step for row in rows)
    brief = tuple(number for number, row in enumerate(rows) if row.step in (0, 1, last))
    return Table(
        title=title,
        columns=(
            Column(name="phase", title="phase", keep=True),
            _column("peak_predicted_bytes", "predicted", show),
            _column("peak_measured_bytes", "peak", show),
            _column("peak_difference_bytes", "difference", signed),
            _column("end_predicted_bytes", "predicted", show, optional=True),
            _column("end_measured_bytes", "after it", show),
            _column("end_difference_bytes", "difference", signed),
        ),
        rows=tuple(
            (f"{row.step or ''} {row.phase.value}".strip(), *_row(highest)[1:], *_row(end)[1:])
            for row, (highest, end) in zip(rows, pairs, strict=True)
        ),
        caption=PHASES,
        brief=brief if len(brief) < len(rows) else None,
    )


def residual_tables(found: Residuals) -> Iterator[Block]:
    """Which allocations were not foreseen, and which foreseen ones did not happen."""
    if found.explained is not None:
        seen = found.measured_bytes - found.unforeseen_bytes
        yield Sentence(
            text=f"{_percent(found.explained)} of the allocated bytes were foreseen, block by block: "
            f"{format_bytes(seen)} of {format_bytes(found.measured_bytes)} that came and went."
        )
    yield from _residuals("Happened, but not foreseen", found.unforeseen)
    yield from _residuals("Foreseen, but did not happen", found.absent)
    yield from _residuals(
        "Foreseen, but outlived its phase, or did not, otherwise than foreseen", found.lived_otherwise
    )


def _percent(share: float) -> str:
    """Never 100 unless it is all."""
    return "All" if share == 1 else f"{min(100 * share, 99.99):.2f} %"


def _residuals(title: str, rows: tuple[Residual, ...]) -> Iterator[Table]:
    if not rows:
        return
    show = bytes_column(row.bytes for row in rows)
    yield Table(
        title=title,
        columns=(
            Column(name="op", title="operator"),
            Column(name="phase", title="phase", keep=True),
            Column(name="blocks", title="blocks", show=lambda count: f"{count:,}", right=True, keep=True),
            _column("bytes", "in all", show),
            _column("largest_bytes", "largest", show),
            _column("kept_bytes", "kept", show),
            _column("peak_bytes", "at the peak", show),
            Column(name="module", title="example", optional=True),
        ),
        rows=tuple(
            (
                *(row.op, row.phase.value, row.blocks, row.bytes),
                *(row.largest_bytes, row.kept_bytes, row.peak_bytes, row.module),
            )
            for row in rows
        ),
        total=(
            *("total", "", sum(row.blocks for row in rows), sum(row.bytes for row in rows)),
            max(row.largest_bytes for row in rows),
            *(sum(row.kept_bytes for row in rows), sum(row.peak_bytes for row in rows), ""),
        ),
        brief=tuple(range(RESIDUALS_SHOWN)) if len(rows) > RESIDUALS_SHOWN else None,
        caption="kept: still in use when its phase ended",
    )


def _figures(figures: Iterable[Difference]) -> tuple[Column, ...]:
    figures = list(figures)
    show = bytes_column(size for f in figures for size in (f.predicted_bytes, f.measured_bytes))
    return (
        _column("predicted_bytes", "predicted", show),
        _column("measured_bytes", "measured", show),
        _column("difference_bytes", "difference", signed_bytes(figure.bytes for figure in figures)),
    )


def _column(name: str, title: str, show: Callable[[Any], str], *, optional: bool = False) -> Column:
    return Column(name=name, title=title, show=show, right=True, keep=True, optional=optional)


def _row(figure: Difference) -> tuple[str, int, int, int]:
    return figure.name, figure.predicted_bytes, figure.measured_bytes, figure.bytes
