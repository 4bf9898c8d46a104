"""Out of memory as an answer: where, what was in use, what had been predicted, what to try."""

from collections.abc import Iterator

from anatomy.documents.document import Bars, Block, Column, Sentence, Table
from anatomy.planning.words import where
from anatomy.profiling.measurement import Measurement
from anatomy.profiling.record import Record
from anatomy.units import bytes_column, format_bytes
from anatomy.validation.alive import Alive
from anatomy.validation.comparison import ProfileComparison

HOLDINGS_SHOWN = 10
"""Rows that a terminal shows; other formats have all."""

COMPARED = "What follows compares the phases that were finished before."


def failure_sentence(run: Measurement) -> Sentence:
    """Where the run ended."""
    failure, machine = run.failure, run.machine
    assert failure is not None
    place = where(failure.phase, failure.step, failure.module, "")
    wanted = (
        ""
        if failure.requested_bytes is None
        else f": {format_bytes(failure.requested_bytes)} more could not be had"
    )
    return Sentence(
        text=f"Out of memory on {machine.name} ({format_bytes(machine.memory_bytes)}) {place}{wanted}.",
        tone="bad",
    )


def failure_blocks(record: Record, comparison: ProfileComparison, alive: Alive | None) -> Iterator[Block]:
    """What there is to say of it."""
    failure = record.measurement.failure
    if failure is not None and failure.message:
        yield Sentence(text=f"torch: {failure.message.rstrip('.')}.")
    yield Sentence(text=_foretold(record, comparison))
    if record.smaller is not None:
        needed = format_bytes(record.smaller.needed_bytes)
        yield Sentence(text=f"To try: {record.smaller.flags} (predicted to need {needed}).", tone="good")
    if alive is not None:
        yield _categories(alive)
        yield _holdings(alive)
    if comparison.phases:
        yield Sentence(text=COMPARED)


def _foretold(record: Record, comparison: ProfileComparison) -> str:
    """What the prediction had said of this run on this device."""
    memory = record.measurement.machine.memory_bytes
    needs = f"{format_bytes(comparison.needed_bytes)} of {format_bytes(memory)}"
    failure = comparison.out_of_memory
    if failure is not None:
        place = where(failure.phase, failure.step, failure.module, failure.op)
        return f"The prediction had said so: it needs {needs}, and would end {place}."
    if comparison.needed_bytes > memory:
        return f"The prediction had said so: it needs {needs}."
    return f"The prediction had said that it fits: it needs {needs}, when nothing else uses the device."


def _categories(alive: Alive) -> Bars:
    return Bars(
        title="In use when it ended",
        items=tuple((category.value, size) for category, size in alive.by_category.items()),
        show=bytes_column([alive.bytes]),
        unit="memory",
    )


def _holdings(alive: Alive) -> Table:
    rows = alive.holdings
    show = bytes_column(row.bytes for row in rows)
    return Table(
        title="The largest of it",
        columns=(
            Column(name="category", title="category", keep=True),
            Column(name="op", title="made by"),
            Column(name="blocks", title="blocks", show=lambda count: f"{count:,}", right=True, keep=True),
            Column(name="block_bytes", title="each", show=show, right=True, keep=True),
            Column(name="bytes", title="in all", show=show, right=True, keep=True),
            Column(name="module", title="example", optional=True),
        ),
        rows=tuple((r.category.value, r.op, r.blocks, r.block_bytes, r.bytes, r.module) for r in rows),
        brief=tuple(range(HOLDINGS_SHOWN)) if len(rows) > HOLDINGS_SHOWN else None,
    )
