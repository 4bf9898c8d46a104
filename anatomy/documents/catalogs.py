"""What `anatomy models` and `anatomy gpus` say."""

from collections.abc import Iterable, Sequence
from typing import Any

from anatomy.documents.document import Column, Document, Sentence, Table
from anatomy.hardware.catalog import Gpu
from anatomy.source.catalog.entry import CatalogEntry
from anatomy.units import bytes_column, format_count


def models_document(entries: Iterable[CatalogEntry]) -> Document:
    """The shipped models."""
    rows = tuple((e.id, e.config.get("model_type"), e.parameters, e.source) for e in entries)
    table = Table(
        columns=(
            Column(name="id", title="model", keep=True),
            Column(name="model_type", title="type", keep=True),
            Column(name="parameters", title="parameters", show=_count, right=True, keep=True),
            Column(name="source", title="where the count was published", optional=True),
        ),
        rows=rows,
    )
    said = Sentence(
        text=f"{len(rows)} models answer without a network. Any other hub id, folder or file works as well."
    )
    return Document(
        title="Models",
        blocks=(table, said),
        table=table,
        data={"schema_version": 1, "models": _records(table)},
    )


def gpus_document(gpus: Sequence[Gpu]) -> Document:
    """The GPUs that runs are fitted onto."""
    rows = tuple(
        (
            g.name,
            g.memory_bytes,
            g.read_from,
            g.compute_capability,
            g.multiprocessors,
            g.context_bytes,
            g.source,
        )
        for g in gpus
    )
    show = bytes_column([g.memory_bytes for g in gpus])
    table = Table(
        columns=(
            Column(name="gpu", title="GPU", keep=True),
            Column(name="memory_bytes", title="memory", show=show, right=True, keep=True),
            Column(name="read_from", title="as read by", keep=True),
            Column(name="compute_capability", title="arch", right=True, keep=True),
            Column(name="multiprocessors", title="SMs", right=True, keep=True),
            Column(name="context_bytes", title="context", show=show, right=True, keep=True),
            Column(name="source", title="source of the memory figure", optional=True),
        ),
        rows=rows,
    )
    said = Sentence(
        text="memory is what a process can allocate; 'nominal' is the figure on the box, of which less is usable. "
        "context is what the CUDA context and libraries are assumed to take of it."
    )
    return Document(
        title="GPUs", blocks=(table, said), table=table, data={"schema_version": 1, "gpus": _records(table)}
    )


def _records(table: Table) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def _count(parameters: int | None) -> str:
    return "" if parameters is None else format_count(parameters)
