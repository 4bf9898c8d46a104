"""The lines of the GPU table: what is known of each GPU, sorted and filtered."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from anatomy.documents.plan.run import run_line
from anatomy.documents.plan.table import remark
from anatomy.hardware.catalog import Gpu
from anatomy.planning.fit import Fit
from anatomy.planning.plan import Plan
from anatomy.units import bytes_column

UNKNOWN = "not planned"
"""The verdict on a GPU of which no plan speaks."""
_RANKS = {"fits": 0, "fits after freeing cache": 1, "may fit": 2, "does not fit": 3, UNKNOWN: 4}
"""Verdicts, the best first: their order in the table."""
MARKS = {"fits": "✓", "fits after freeing cache": "!", "may fit": "?", "does not fit": "✗", UNKNOWN: " "}


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuRow:
    """One GPU, and what is known of a run on it."""

    gpu: str
    verdict: str
    memory_bytes: int
    headroom_bytes: int | None = None
    reserved_bytes: int | None = None
    context_bytes: int
    remark: str = ""
    """Where it fails, what speaks against it, or of which plan it is."""
    chosen: bool = False
    """Whether the recipe is for it."""
    smallest: bool = False
    """Whether it is the smallest one that will do."""
    current: bool = True
    """False where it is known of an earlier plan alone, or not at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A column of the table."""

    name: str
    """The field of `GpuRow`."""
    title: str
    is_bytes: bool = False


HEADINGS = (
    Heading(name="gpu", title="GPU"),
    Heading(name="verdict", title="verdict"),
    Heading(name="headroom_bytes", title="headroom", is_bytes=True),
    Heading(name="memory_bytes", title="memory", is_bytes=True),
    Heading(name="reserved_bytes", title="reserved", is_bytes=True),
    Heading(name="context_bytes", title="context", is_bytes=True),
    Heading(name="remark", title="remark"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """How the table is sorted."""

    by: str = "memory_bytes"
    reverse: bool = False

    def next(self) -> "Order":
        """By the column after this one."""
        names = [heading.name for heading in HEADINGS]
        return Order(by=names[(names.index(self.by) + 1) % len(names)])


def gpu_rows(
    plan: Plan | None, gpus: Iterable[Gpu], *, earlier: Plan | None = None, chosen: str | None = None
) -> tuple[GpuRow, ...]:
    """A row for each GPU: what `plan` says of it, else what `earlier`, a plan for all of them, said; else its memory."""
    best = None if plan is None or len(plan.fits) < 2 else plan.smallest_fit
    now = {} if plan is None else {fit.gpu: fit for fit in plan.fits}
    before = {} if earlier is None else {fit.gpu: fit for fit in earlier.fits}
    of = "" if plan is None or earlier is None else _whose(plan, earlier)
    rows = []
    for gpu in gpus:
        marks = {"chosen": gpu.name == chosen, "smallest": best is not None and best.gpu == gpu.name}
        if gpu.name in now:
            rows.append(_row(now[gpu.name], remark(now[gpu.name]), current=True, **marks))
        elif gpu.name in before:
            said = ", ".join(filter(None, (of, remark(before[gpu.name]))))
            rows.append(_row(before[gpu.name], said, current=False, **marks))
        else:
            rows.append(
                GpuRow(
                    gpu=gpu.name,
                    verdict=UNKNOWN,
                    memory_bytes=gpu.memory_bytes,
                    context_bytes=gpu.context_bytes,
                    remark="nominal memory" if gpu.nominal else "",
                    current=False,
                    **marks,
                )
            )
    return tuple(rows)


def _whose(plan: Plan, earlier: Plan) -> str:
    """Which plan a row is of that is not of the present one."""
    if plan.recipe == earlier.recipe:
        return "of the plan for all GPUs"
    return f"of an earlier plan: {run_line(earlier.recipe)}"


def _row(fit: Fit, said: str, *, current: bool, chosen: bool, smallest: bool) -> GpuRow:
    return GpuRow(
        gpu=fit.gpu,
        verdict=fit.verdict,
        memory_bytes=fit.memory_bytes,
        headroom_bytes=fit.headroom_bytes,
        reserved_bytes=fit.reserved_bytes,
        context_bytes=fit.context_bytes,
        remark=said,
        chosen=chosen,
        smallest=smallest,
        current=current,
    )


def arranged(rows: Iterable[GpuRow], order: Order, text: str = "") -> tuple[GpuRow, ...]:
    """The rows that have each word of `text`, sorted; what is unknown last, either way."""
    words = text.lower().split()
    kept = [
        row for row in rows if all(word in f"{row.gpu} {row.verdict} {row.remark}".lower() for word in words)
    ]
    known = [row for row in kept if _key(row, order.by) is not None]
    known.sort(key=lambda row: row.gpu)
    known.sort(key=lambda row: _key(row, order.by), reverse=order.reverse)
    return (*known, *(row for row in kept if _key(row, order.by) is None))


def _key(row: GpuRow, by: str) -> Any:
    value = getattr(row, by)
    if by == "verdict":
        return _RANKS.get(value, len(_RANKS))
    return value.lower() if isinstance(value, str) else value


def texts(rows: Collection[GpuRow]) -> list[tuple[str, ...]]:
    """Each row's cells as people read them."""
    show: dict[str, Callable[[Any], str]] = {
        heading.name: bytes_column(getattr(row, heading.name) for row in rows)
        for heading in HEADINGS
        if heading.is_bytes
    }
    return [tuple(show.get(h.name, str)(getattr(row, h.name)) for h in HEADINGS) for row in rows]
