"""GGUF models on disk: one file, or one split into several."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import SourceError
from anatomy.source.gguf import GgufHeader, read_gguf
from anatomy.source.gguf_config import config_of, notes_of
from anatomy.source.gguf_parts import parts_of
from anatomy.source.inside import inside


def read_gguf_file(path: Path) -> Blueprint:
    """The model in the file at `path`, with the other parts where it is one of several.

    Raises `SourceError` for files that are damaged and for parts that are missing.
    """
    parts = (path if name == path.name else inside(path.parent, name) for name in parts_of(path.name))
    headers = [read_gguf(part) for part in parts]
    return blueprint_of(str(path), Origin(kind="file", location=str(path)), headers)


def blueprint_of(reference: str, origin: Origin, headers: Sequence[GgufHeader]) -> Blueprint:
    """The model of the `headers` of a file, or of all its parts, the first of which has the metadata."""
    header = join_parts(headers, what=reference)
    if not header.tensors:
        raise SourceError(
            f"{reference} stores no tensors: it is a vocabulary alone.", "name the model's own file"
        )
    return Blueprint(
        id=reference,
        origin=origin,
        config=config_of(header) or None,
        tensors=header.tensors,
        names="gguf",
        notes=notes_of(header),
    )


def join_parts(headers: Sequence[GgufHeader], *, what: str) -> GgufHeader:
    """One header of all parts; raises `SourceError` unless they are as many, with as many tensors, as the first says."""
    first = headers[0]
    parts, tensors = first.metadata.get("split.count", 1), first.metadata.get("split.tensors.count")
    if parts != len(headers) and not (parts == 0 and len(headers) == 1):
        raise SourceError(
            f"{what} is one of {parts} parts, by what it says, not of {len(headers)}.",
            "give all parts their names",
        )
    joined = tuple(tensor for header in headers for tensor in header.tensors)
    if len({tensor.name for tensor in joined}) < len(joined) or (
        tensors is not None and tensors != len(joined)
    ):
        raise SourceError(
            f"{what} has {len(joined)} tensors in its parts; its first part counts {tensors}.",
            "get its parts again",
        )
    return replace(first, tensors=joined)
