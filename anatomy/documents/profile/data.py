"""A measured run for programs: the JSON, and everything with a number as one flat table for csv."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from anatomy.documents.document import Column, Table, as_json
from anatomy.planning.settings import complete
from anatomy.planning.smaller import Smaller
from anatomy.profiling.record import Record
from anatomy.validation.alive import Alive
from anatomy.validation.comparison import ProfileComparison
from anatomy.validation.residuals import Residuals

SCHEMA_VERSION = 1
"""Of `profile --json`. Keys may be added without changing it."""

COLUMNS = (
    *("section", "step", "phase", "name", "module", "value"),
    *("predicted_bytes", "measured_bytes", "difference_bytes"),
    *("blocks", "bytes", "largest_bytes", "kept_bytes", "peak_bytes"),
)
"""'value' is what is not bytes; the columns from 'blocks' on are filled for blocks alone."""

Fields = dict[str, Any]


def profile_data(
    record: Record,
    comparison: ProfileComparison,
    residuals: Residuals | None,
    alive: Alive | None,
    notes: Iterable[str],
) -> Fields:
    """The content of `profile --json`: integers of bytes, nothing rounded."""
    run, said = record.measurement, record.prediction
    return {
        "schema_version": SCHEMA_VERSION,
        "model": run.model.to_dict(),
        "recipe": complete(run.recipe).to_dict(),
        "weights": run.weights,
        "parameters": {"total": said.total_parameters, "trainable": said.trainable_parameters},
        "machine": asdict(run.machine),
        "labels": dict(record.labels),
        **comparison.to_dict(),
        "residuals": None if residuals is None else {**residuals.to_dict(), "explained": residuals.explained},
        "timing": _timing(record),
        "kernels": [asdict(kernel) for kernel in run.kernels],
        "context_bytes": run.context_bytes,
        "peak_rss_bytes": run.peak_rss_bytes,
        "host_bytes": run.host_bytes,
        "failure": None if run.failure is None else asdict(run.failure),
        "alive_at_failure": None if alive is None else alive.to_dict(),
        "smaller": None if record.smaller is None else _smaller(record.smaller),
        "assumptions": list(said.assumptions),
        "not_modelled": list(said.not_modelled),
        "notes": list(notes),
        "versions": {"measured": dict(run.machine.versions), "predicted": dict(said.versions)},
    }


def flat_table(
    record: Record, comparison: ProfileComparison, residuals: Residuals | None, alive: Alive | None
) -> Table:
    """Rows that say which section they belong to."""
    found = (
        *_about(record),
        *_differences(comparison),
        *_speed(record),
        *_left(residuals),
        *_alive(alive),
    )
    return Table(
        columns=tuple(Column(name=name, title=name) for name in COLUMNS),
        rows=tuple(tuple(row.get(name) for name in COLUMNS) for row in found),
    )


def _timing(record: Record) -> Fields | None:
    timing = record.measurement.timing
    if timing is None:
        return None
    return {
        **asdict(timing),
        "seconds": timing.seconds,
        "tokens_per_second": timing.tokens_per_second,
        "flops_per_second": timing.flops_per_second,
        "mfu": timing.mfu,
    }


def _smaller(smaller: Smaller) -> Fields:
    return {
        "change": dict(smaller.change),
        "overrides": dict(smaller.overrides),
        "needed_bytes": smaller.needed_bytes,
        "flags": smaller.flags,
    }


def _about(record: Record) -> Iterator[Fields]:
    run, said = record.measurement, record.prediction
    machine = run.machine
    yield {"section": "model", "name": "id", "value": run.model.id}
    for key, value in run.model.overrides.items():
        yield {"section": "override", "name": key, "value": as_json(value)}
    yield {"section": "parameters", "name": "total", "value": said.total_parameters}
    yield {"section": "parameters", "name": "trainable", "value": said.trainable_parameters}
    yield {"section": "machine", "name": "kind", "value": machine.kind}
    yield {"section": "machine", "name": "name", "value": machine.name}
    yield {"section": "machine", "name": "memory", "bytes": machine.memory_bytes}
    for name, version in machine.versions.items():
        yield {"section": "version", "name": name, "value": version}
    for name, value in complete(run.recipe).to_dict().items():
        yield {"section": "recipe", "name": name, "value": as_json(value)}
    if run.failure is not None:
        failure = run.failure
        yield {
            "section": "failure",
            "step": failure.step,
            "phase": failure.phase.value,
            "module": failure.module,
            "value": failure.message,
            "bytes": failure.requested_bytes,
        }


def _differences(comparison: ProfileComparison) -> Iterator[Fields]:
    for figure in comparison.peaks:
        yield {"section": "peak", **figure.to_dict()}
    for figure in comparison.categories:
        yield {"section": "category", **figure.to_dict()}
    for row in comparison.phases:
        for level in (row.highest, row.end, row.highest_reserved, row.end_reserved):
            if level is not None:
                yield {"section": "phase", "step": row.step, "phase": row.phase.value, **level.to_dict()}


def _speed(record: Record) -> Iterator[Fields]:
    for name, value in (_timing(record) or {}).items():
        if isinstance(value, int | float):
            yield {"section": "timing", "name": name, "value": value}
    for kernel in record.measurement.kernels:
        yield {"section": "kernel", "name": kernel.name, "value": kernel.seconds}


def _left(residuals: Residuals | None) -> Iterator[Fields]:
    if residuals is None:
        return
    yield {"section": "residual", "name": "measured", "bytes": residuals.measured_bytes}
    yield {"section": "residual", "name": "predicted", "bytes": residuals.predicted_bytes}
    for section in ("unforeseen", "absent", "lived_otherwise"):
        for row in getattr(residuals, section):
            yield {"section": section, "name": row.op, **row.to_dict()}


def _alive(alive: Alive | None) -> Iterator[Fields]:
    if alive is None:
        return
    for category, size in alive.by_category.items():
        yield {"section": "alive", "name": category.value, "bytes": size}
    for row in alive.holdings:
        yield {
            "section": "holding",
            "name": f"{row.category.value}: {row.op}",
            "module": row.module,
            "blocks": row.blocks,
            "bytes": row.bytes,
            "largest_bytes": row.block_bytes,
        }
