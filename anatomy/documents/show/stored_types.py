"""What a checkpoint in several number formats takes, format by format."""

from anatomy import ggml
from anatomy.architecture.stored import Stored
from anatomy.documents.document import Column, Table, share_of
from anatomy.units import bytes_column


def types_table(stored: Stored) -> Table | None:
    """Elements, bytes and bits of a weight of each stored type; None where no type keeps its weights in blocks."""
    if not any(name in ggml.BY_NAME for name in stored.by_dtype):
        return None
    kinds = sorted(stored.by_dtype, key=lambda name: -stored.bytes_by_dtype[name])
    rows = [
        (
            name,
            stored.by_dtype[name],
            stored.bytes_by_dtype[name],
            stored.bytes_by_dtype[name] / stored.stored_bytes if stored.stored_bytes else 0.0,
            _bits(stored.bytes_by_dtype[name], stored.by_dtype[name]),
        )
        for name in kinds
    ]
    return Table(
        title="Stored types",
        columns=(
            Column(name="type", title="type", keep=True),
            Column(name="elements", title="elements", show=lambda n: f"{n:,}", right=True, keep=True),
            Column(
                name="bytes", title="bytes", show=bytes_column([stored.stored_bytes]), right=True, keep=True
            ),
            Column(name="share", title="share", show=lambda part: share_of(part, 1), right=True),
            Column(name="bits", title="bits/weight", show=lambda bits: f"{bits:.3f}", right=True, keep=True),
        ),
        rows=tuple(rows),
        total=(
            "total",
            stored.elements,
            stored.stored_bytes,
            1.0,
            _bits(stored.stored_bytes, stored.elements),
        ),
        caption="Bits with the scales of each block; the tokenizer and the padding between tensors are not counted.",
    )


def _bits(size: int, elements: int) -> float:
    return 8 * size / elements if elements else 0.0
