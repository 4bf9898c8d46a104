"""What `anatomy show --filter` and `--sort` say: tensors and modules as a list."""

from collections.abc import Sequence

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.listing import Entry, covered
from anatomy.documents.document import Column, Table, share_of
from anatomy.documents.show.asked import Asked
from anatomy.units import bytes_column

BRIEF = 60
"""Rows that a terminal shows."""


def entries_answer(entries: Sequence[Entry], anatomy: Anatomy) -> Asked:
    """The list, with what it covers of the model."""
    table = _table(entries, anatomy)
    return Asked(key="entries", blocks=(table,), table=table, data=[entry.to_dict() for entry in entries])


def _table(entries: Sequence[Entry], anatomy: Anatomy) -> Table:
    of = anatomy.stored.elements if anatomy.stored else anatomy.total
    count = covered(entries)
    return Table(
        title="Tensors and modules",
        columns=(
            Column(name="path", title="name", keep=True),
            Column(name="class", title="class", keep=True, optional=True),
            Column(name="shape", title="shape", show=_shape, keep=True),
            Column(name="dtype", title="dtype", keep=True, optional=True),
            Column(name="parameters", title="parameters", show=lambda n: f"{n:,}", right=True, keep=True),
            Column(
                name="bytes", title="bytes", show=bytes_column(e.size for e in entries), right=True, keep=True
            ),
            Column(name="component", title="component", optional=True),
        ),
        rows=tuple((e.path, e.kind, e.shape, e.dtype, e.parameters, e.size, e.component) for e in entries),
        brief=tuple(range(BRIEF)) if len(entries) > BRIEF else None,
        caption=f"{len(entries):,} names, {count:,} of {of:,} numbers ({share_of(count, of)}).",
    )


def _shape(shape: tuple[int, ...] | None) -> str:
    """A tensor's shape; nothing for a module."""
    return "" if shape is None else " x ".join(map(str, shape)) or "scalar"
