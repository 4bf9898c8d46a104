"""What `anatomy compare` says: how many runs fit, the least of each method, then every run."""

from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any

from anatomy.documents.document import (
    Block,
    Column,
    Document,
    Facts,
    Notes,
    Sentence,
    Table,
    as_json,
    as_text,
    named,
)
from anatomy.planning.compare import Comparison, Row
from anatomy.units import bytes_column, format_bytes, format_count

Record = Mapping[str, Any]
"""A row of the frame: names and values, None for what is not there."""

_SHORT = {"optimizer step": "optimizer"}
"""Phases, where there is little room."""
_AXIS_TITLES = {
    "method": "method",
    "quant_type": "code",
    "optimizer": "optimizer",
    "precision": "precision",
    "gradient_checkpointing": "checkpoints",
}


def compare_document(comparison: Comparison) -> Document:
    """The report on a comparison."""
    rows = comparison.to_records()
    blocks: list[Block] = [_answer(comparison), *_methods(comparison)]
    if comparison.warnings:
        blocks.append(Notes(title="Warnings", items=comparison.warnings, tone="caution"))
    blocks.append(_table(comparison, rows))
    if refused := tuple(_refusals(comparison)):
        blocks.append(Notes(title="Refused", items=refused, tone="caution"))
    blocks.append(_recipe(comparison))
    if comparison.notes:
        blocks.append(Notes(title="About the model", items=comparison.notes))
    blocks += [
        Notes(title="Assumed", items=comparison.assumptions),
        Notes(title="Not modelled", items=comparison.not_modelled),
        Sentence(text=_rehearsals(comparison)),
        Sentence(
            text="Rehearsed with " + ", ".join(f"{k} {v}" for k, v in comparison.versions.items()) + "."
        ),
    ]
    return Document(
        title=f"{named(comparison.model.id, comparison.model.overrides)}: {len(rows)} {_runs(rows)} compared",
        blocks=tuple(blocks),
        table=flat_table(rows),
        data=comparison.to_dict(),
    )


def flat_table(rows: Sequence[Record]) -> Table:
    """Every value of every row, for csv."""
    columns = tuple(Column(name=name, title=name) for name in rows[0])
    return Table(columns=columns, rows=tuple(tuple(row.values()) for row in rows))


def _answer(comparison: Comparison) -> Sentence:
    ran, fitting = comparison.ran, comparison.fitting
    if not ran:
        return Sentence(text="None of these runs is possible.", tone="bad")
    where = f"on {comparison.gpu}" if comparison.gpu else "on a single GPU of the catalog"
    if not fitting:
        return Sentence(
            text=f"None of {len(ran)} {_runs(ran)} fits {where}. The least peak: {_needs(ran[0])}.",
            tone="bad",
        )
    refused = len(comparison.rows) - len(ran)
    said = f"{len(fitting)} of {len(ran)} {_runs(ran)} fit{'s' if len(fitting) == 1 else ''} {where}"
    others = f"; {refused} cannot be run" if refused else ""
    return Sentence(text=f"{said}{others}. The first that fits: {_needs(fitting[0])}.", tone="good")


def _runs(rows: Sized) -> str:
    return "run" if len(rows) == 1 else "runs"


def _needs(row: Row) -> str:
    """'qlora, nf4, sgd, bf16, peak 8.95 GiB (11.83 GiB on the device), RTX 3060 12GB'."""
    assert row.footprint is not None, "only rows that ran need anything"
    peak, device = row.footprint.peak_allocated_bytes, row.device_bytes or 0
    fit = "" if row.fit is None else f", {_fit(row.fit.gpu, row.verdict)}"
    return f"{row.label}, allocated peak {format_bytes(peak)} ({format_bytes(device)} on the device){fit}"


def _fit(gpu: str, verdict: str) -> str:
    """The GPU, and what there is to say of it unless the run simply fits."""
    return gpu if verdict == "fits" else f"{gpu} ({verdict})"


def _methods(comparison: Comparison) -> Iterator[Block]:
    """For each method how much it trains, and from what to what its peaks go: what to change first."""
    spans = tuple(comparison.spans())
    if len(spans) < 2:
        return
    items = []
    for method, rows in spans:
        least, most = (
            f"{format_bytes(row.footprint.peak_allocated_bytes)} ({_other_settings(row)})"
            for row in (rows[0], rows[-1])
            if row.footprint is not None
        )
        trained = f"{format_count(rows[0].trainable_parameters or 0)} trainable"
        fits = f"; {sum(row.fits for row in rows)} of {len(rows)} fit" if comparison.gpu else ""
        items.append(
            (method, f"{trained}; allocated peak {least}" + (f" to {most}" if len(rows) > 1 else "") + fits)
        )
    yield Facts(title="Each method", items=tuple(items))


def _other_settings(row: Row) -> str:
    return ", ".join(row.varied[name] for name in ("optimizer", "precision"))


def _table(comparison: Comparison, rows: Sequence[Record]) -> Table:
    """The columns that tell rows apart, and the numbers; what is the same everywhere is said under it."""
    shown = tuple(_columns(comparison, rows))
    first = next((index for index, row in enumerate(comparison.rows) if row.fits), None)
    same = [f"{_AXIS_TITLES[name]} {values[0]}" for name, values in _constant(comparison) if values[0]]
    return Table(
        title="Every run, the smallest peak first",
        columns=shown,
        rows=tuple(tuple(_value(column.name, row) for column in shown) for row in rows),
        best=first if comparison.gpu else None,
        caption="; ".join(
            [
                "peak = allocated; on device = reserved + CUDA context",
                *([f"in every run: {', '.join(same)}"] if same else []),
            ]
        ),
    )


def _value(name: str, row: Record) -> Any:
    """A GPU with its verdict, where that is not simply that the run fits; else the row's own value."""
    return _fit(row["gpu"], row["verdict"]) if name == "gpu" and row["gpu"] else row[name]


def _constant(comparison: Comparison) -> Iterator[tuple[str, tuple[str, ...]]]:
    quantized = any("quant_type" in row.varied for row in comparison.rows)
    for name, values in comparison.axes.values.items():
        if name not in comparison.axes.varied and (name != "quant_type" or quantized):
            yield name, values


def _columns(comparison: Comparison, rows: Sequence[Record]) -> Iterator[Column]:
    for name, title in _AXIS_TITLES.items():
        if name in comparison.axes.varied:
            yield Column(name=name, title=title, keep=True)

    def sizes(name: str, title: str, *, optional: bool = False) -> Column:
        show = bytes_column(row[name] for row in rows)
        return Column(name=name, title=title, show=show, right=True, keep=True, optional=optional)

    yield sizes("allocated_bytes", "peak")
    yield Column(name="phase", title="in", show=_phase, keep=True)
    yield sizes("device_bytes", "on device", optional=True)
    if comparison.gpu is None:
        yield Column(name="gpu", title="smallest GPU")
    else:
        yield Column(name="verdict", title="verdict")
        yield sizes("headroom_bytes", "headroom", optional=True)
    yield Column(
        name="trainable_parameters", title="trainable", show=_count, right=True, keep=True, optional=True
    )
    yield sizes("reserved_bytes", "reserved", optional=True)
    yield Column(name="where", title="where the peak is", optional=True)
    if comparison.refusals():
        yield Column(name="reason", title="refused because", optional=True)


def _phase(value: str | None) -> str:
    return "refused" if value is None else _SHORT.get(value, value)


def _count(value: int | None) -> str:
    return "" if value is None else format_count(value)


def _refusals(comparison: Comparison) -> Iterator[str]:
    """Each reason once, with the runs that it keeps from running."""
    for reason, rows in comparison.refusals().items():
        optimizers = dict.fromkeys(row.varied["optimizer"] for row in rows)
        few = len(rows) == 1 or len(optimizers) > 1
        which = rows[0].label if len(rows) == 1 else f"{len(rows)} runs"
        yield f"{which if few else f'{next(iter(optimizers))} ({which})'}: {reason}"


def _recipe(comparison: Comparison) -> Facts:
    """The settings that are not varied; what is off or empty goes without saying."""
    changed = [f"{key}={as_json(value)}" for key, value in comparison.model.overrides.items()]
    one, by_method = comparison.settings()
    said = [
        f"{name} {'yes' if value is True else as_text(value)}"
        for name, value in one.items()
        if value not in _UNSAID
    ]
    items = [("recipe", ", ".join((*changed, *said)))]
    for name, values in by_method.items():
        items.append((name, ", ".join(f"{as_text(value)} ({method})" for method, value in values.items())))
    return Facts(title="The same in every run", items=tuple(items))


_UNSAID: tuple[Any, ...] = (None, False, "", [], 0.0)


def _rehearsals(comparison: Comparison) -> str:
    counts = comparison.rehearsals
    whole = f", {counts.whole} runs whole" if counts.whole else ""
    return (
        f"Rehearsed: forward and backward {counts.runs} times, optimizers alone {counts.optimizers} times{whole}; "
        f"put together to {len(comparison.ran)} runs."
    )
