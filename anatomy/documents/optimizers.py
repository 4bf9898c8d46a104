"""What `anatomy optimizers` says: every optimizer's bytes for a parameter, beside the books'."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from anatomy.documents.document import Block, Column, Document, Notes, Sentence, Table
from anatomy.planning.optimizer_costs import PRECISIONS, Cost, OptimizerRow, OptimizerTable
from anatomy.planning.textbook import MEASURED_CAPTION, PUBLISHED, TEXTBOOK, Published
from anatomy.units import GIB

_HOW = (
    "Bytes for each trained parameter. states: what the optimizer keeps on the device. step: what its step takes and gives "
    "back on top; weights and gradients come besides. textbook: states as they are written of, mostly in fp32."
)


def optimizers_document(costs: OptimizerTable) -> Document:
    """The table, what explains it, and where the books' figures stand."""
    flat = _table(costs.rows)
    brief = replace(flat, columns=flat.columns[:-1], rows=tuple(row[:-1] for row in flat.rows))
    blocks: list[Block] = [Sentence(text=f"Rehearsed on {costs.model}."), brief, Sentence(text=_HOW)]
    blocks.append(Notes(title="Why they differ from the textbook", items=tuple(_reasons(costs.rows))))
    measured = _measured(costs.rows)
    if measured is not None:
        blocks.append(measured)
    missing = tuple(f"{row.missing}" for row in costs.rows if row.missing)
    if missing:
        blocks.append(Notes(title="Not rehearsed here", items=missing))
    said = dict.fromkeys(row.kind.modelled or row.kind.note for row in costs.rows if row.costs)
    items = tuple(f"{_named(costs.rows, text)}: {text}" for text in said if text)
    if items:
        blocks.append(Notes(title="Assumed", items=items))
    blocks += [
        Notes(title="Textbooks", items=tuple(_sources(costs.rows))),
        Sentence(text="Rehearsed with " + ", ".join(f"{k} {v}" for k, v in costs.versions.items()) + "."),
    ]
    return Document(title="Optimizers", blocks=tuple(blocks), table=flat, data=_data(costs))


def _table(rows: tuple[OptimizerRow, ...]) -> Table:
    columns = [
        Column(name="optimizer", title="optimizer", keep=True),
        Column(name="fate", title="how", keep=True),
    ]
    for precision in PRECISIONS:
        columns += [
            Column(name=f"{precision}_state_bytes_per_parameter", title=f"{precision} states", **_NUMBER),
            Column(name=f"{precision}_step_bytes_per_parameter", title=f"{precision} step", **_NUMBER),
        ]
    columns += [
        Column(name="textbook_bytes_per_parameter", title="textbook", **_NUMBER),
        Column(name="why", title="why it differs"),
    ]
    return Table(columns=tuple(columns), rows=tuple(map(_row, rows)))


def _show(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else value or ""


_NUMBER: dict[str, Any] = {"show": _show, "right": True, "keep": True}


def _row(row: OptimizerRow) -> tuple[Any, ...]:
    figures: list[Any] = []
    for precision in PRECISIONS:
        cost = row.costs.get(precision)
        figures += (None, None) if cost is None else _figures(cost)
    book = TEXTBOOK.get(row.name)
    return (row.name, _how(row), *figures, None if book is None else book.said, "; ".join(_why(row)))


def _figures(cost: Cost) -> tuple[float, float | str]:
    step = "in backward" if cost.step_bytes is None else cost.per_parameter(cost.step_bytes)
    return cost.per_parameter(cost.state_bytes), step


def _how(row: OptimizerRow) -> str:
    if row.kind.fate != "rehearsed with its package":
        return row.kind.fate
    return "rehearsed" if row.costs else f"needs {row.kind.package}"


def _why(row: OptimizerRow) -> Iterable[str]:
    if row.missing:
        return
    book = TEXTBOOK.get(row.name)
    if book is not None and book.why:
        yield book.why
    first = next(iter(row.costs.values()))
    if first.host_bytes:
        yield f"{first.per_parameter(first.host_bytes):.2f} B for each parameter move in during a step"
    if row.one_at_a_time:
        most = " and ".join(
            f"{(cost.step_bytes or 0) / cost.largest_parameter:.1f} B ({precision})"
            for precision, cost in row.costs.items()
        )
        yield f"one weight at a time: {most} for each element of the largest"


def _reasons(rows: tuple[OptimizerRow, ...]) -> Iterable[str]:
    """Each reason once, with the names that it explains."""
    of: dict[str, list[str]] = {}
    for row in rows:
        if why := "; ".join(_why(row)):
            of.setdefault(why, []).append(row.name)
    return (f"{', '.join(names)}: {why}" for why, names in of.items())


def _measured(rows: tuple[OptimizerRow, ...]) -> Table | None:
    found = {row.name: row.costs["bf16"] for row in rows if row.costs}
    pairs = [pair for pair in PUBLISHED if {pair.less, pair.more} <= found.keys()]
    if not pairs:
        return None
    return Table(
        title="Beside what was measured: saved for each parameter in bf16",
        columns=(
            Column(name="optimizer", title="optimizer", keep=True),
            Column(name="instead_of", title="instead of", keep=True),
            Column(name="measured_bytes_per_parameter", title="measured", **_NUMBER),
            Column(name="rehearsed_bytes_per_parameter", title="rehearsed", **_NUMBER),
            Column(name="source", title="source"),
        ),
        rows=tuple((pair.less, pair.more, *_saved(pair, found), pair.source) for pair in pairs),
        caption=MEASURED_CAPTION,
    )


def _saved(pair: Published, found: dict[str, Cost]) -> tuple[float, float]:
    less, more = found[pair.less], found[pair.more]
    rehearsed = more.per_parameter(more.state_bytes) - less.per_parameter(less.state_bytes)
    return pair.saved_gib * GIB / pair.parameters, rehearsed


def _named(rows: tuple[OptimizerRow, ...], text: str) -> str:
    return ", ".join(row.name for row in rows if row.costs and text in (row.kind.modelled, row.kind.note))


def _sources(rows: tuple[OptimizerRow, ...]) -> Iterable[str]:
    """Each source once, with the names it is the source of."""
    of: dict[str, list[str]] = {}
    for row in rows:
        if row.name in TEXTBOOK:
            of.setdefault(TEXTBOOK[row.name].source, []).append(row.name)
    return (f"{source} ({', '.join(names)})" for source, names in of.items())


def _data(costs: OptimizerTable) -> dict[str, Any]:
    data = costs.costs()
    for entry in data["optimizers"]:
        book = TEXTBOOK.get(entry["optimizer"])
        entry["textbook"] = (
            None if book is None else {"said": book.said, "source": book.source, "why": book.why}
        )
    return data
