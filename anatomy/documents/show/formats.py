"""What `anatomy show --formats` says: the model's size in each format."""

from collections.abc import Iterator, Sequence

from anatomy.documents.document import Column, Notes, Table, share_of
from anatomy.documents.show.asked import Asked
from anatomy.formats.size import FormatSize
from anatomy.units import bytes_column


def formats_table(sizes: Sequence[FormatSize]) -> Table:
    """A row a format: bytes, bits per weight, what of it are scales and what is not quantized, and how."""
    rows = tuple(
        (size.name, size.total_bytes, size.bits, *_parts(size), size.why_not or _how(size)) for size in sizes
    )
    show = bytes_column(size.total_bytes for size in sizes)
    return Table(
        title="Formats",
        columns=(
            Column(name="format", title="format", keep=True),
            Column(name="bytes", title="size", show=show, right=True, keep=True),
            Column(name="bits_per_weight", title="bits/weight", show=_bits, right=True, keep=True),
            Column(name="scale_bytes", title="scales", show=show, right=True, keep=True, optional=True),
            Column(name="kept_bytes", title="not quantized", show=show, right=True, keep=True, optional=True),
            Column(name="how", title="how"),
        ),
        rows=rows,
        caption=_caption(sizes),
    )


def _parts(size: FormatSize) -> tuple[int | None, int | None]:
    return (None, None) if size.why_not else (size.scale_bytes, size.kept_bytes)


def _bits(bits: float | None) -> str:
    return "" if bits is None else f"{bits:.2f}"


def _how(size: FormatSize) -> str:
    """The mix of tensor types where there is one, else what is quantized."""
    return ", ".join(f"{count} {kind}" for kind, count in size.tensors.items()) or size.says


def _caption(sizes: Sequence[FormatSize]) -> str:
    said = "Scales and what is not quantized (head, embeddings, norms, routers) are counted."
    mixed = next((size for size in sizes if size.tensors), None)
    if mixed is None:
        return said
    return (
        f"{said} gguf: {mixed.says}; types as llama-quantize chooses them without an importance matrix, metadata with "
        "the vocabulary on top."
    )


def formats_answer(sizes: Sequence[FormatSize]) -> Asked:
    """The answer to --formats."""
    table = formats_table(sizes)
    notes = tuple(_notes(sizes))
    blocks = (table, Notes(title="Notes", items=notes)) if notes else (table,)
    return Asked(key="formats", blocks=blocks, table=table, data=[size.to_dict() for size in sizes])


def _notes(sizes: Sequence[FormatSize]) -> Iterator[str]:
    """Why formats of few bits save little: experts that they leave alone."""
    left = [size for size in sizes if size.kept_experts]
    if left:
        share = share_of(left[0].kept_experts, left[0].parameters)
        yield (
            f"{', '.join(size.name for size in left)}: {share} of the weights stay in 16 bits because they are routed "
            "experts that the class stacks in parameters of its own, and bitsandbytes replaces nn.Linear layers alone."
        )
