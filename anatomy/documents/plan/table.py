"""A plan as one flat table, for csv: everything with a number, and the recipe."""

from collections.abc import Iterator

from anatomy.documents.document import Column, Table, as_json
from anatomy.planning.fit import Fit
from anatomy.planning.plan import Plan
from anatomy.planning.settings import complete

FREEING = "giving cached memory back"
"""What an allocator does to fit after freeing cache."""

COLUMNS = (
    *("section", "name", "value", "bytes"),
    *("memory_bytes", "context_bytes", "reserved_bytes", "headroom_bytes", "verdict", "remark"),
)
"""'value' is what is not bytes; the columns after 'bytes' are filled for GPUs alone."""


def remark(fit: Fit) -> str:
    """What there is to say of a GPU beside the verdict: where it fails, or what speaks against it."""
    failure = fit.out_of_memory
    remarks = [
        "" if failure is None else failure.phase.value + (f", step {failure.step}" if failure.step else ""),
        f"only by {FREEING}" if fit.tight else "",
        "nominal memory" if fit.nominal else "",
        fit.note,
    ]
    return ", ".join(filter(None, remarks))


def flat_table(plan: Plan) -> Table:
    """Rows that say which section they belong to."""
    columns = tuple(Column(name=name, title=name) for name in COLUMNS)
    rows = ((*row, *[None] * (len(COLUMNS) - len(row))) for row in _rows(plan))
    return Table(columns=columns, rows=tuple(rows))


def _rows(plan: Plan) -> Iterator[tuple[object, ...]]:
    found = plan.footprint
    yield "model", "id", plan.model.id
    yield from (("override", key, as_json(value)) for key, value in plan.model.overrides.items())
    yield "parameters", "total", plan.total_parameters
    yield "parameters", "trainable", plan.trainable_parameters
    yield "peak", "allocated", None, found.peak_allocated_bytes
    yield "peak", "reserved", None, found.peak_reserved_bytes
    yield "peak", "context", None, plan.context_bytes
    yield "peak", "device", None, plan.device_bytes
    yield from (("breakdown", category.value, None, size) for category, size in found.by_category.items())
    yield from (("phase_peak", phase.value, None, size) for phase, size in found.phase_peaks.items())
    yield from (("resting", phase.value, None, size) for phase, size in found.resting.items())
    yield from (("recipe", name, as_json(value)) for name, value in complete(plan.recipe).to_dict().items())
    if plan.config is not None:
        yield "config", plan.config.kind, plan.config.file
        for key in plan.config.keys:
            said = ", ".join(f"{name}={as_json(value)}" for name, value in key.settings.items()) or key.why
            yield f"config: {key.fate}", key.name, as_json(key.value), *[None] * 6, said
        yield from (("not_modelled", None, text) for text in plan.not_modelled)
    for fit in plan.fits:
        memory = (fit.memory_bytes, fit.context_bytes, fit.reserved_bytes, fit.headroom_bytes)
        yield "fits", fit.gpu, None, None, *memory, fit.verdict, remark(fit)
