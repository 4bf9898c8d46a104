"""The header of a safetensors file, checked before it is believed. The tensors' data is never read.

The format: 8 bytes, little-endian, the header's length N; N bytes of JSON, {name: {dtype, shape,
data_offsets}}; then the data, which the tensors cover from the first byte to the last without holes or
overlaps (https://huggingface.co/docs/safetensors/index#format).
"""

import math
from pathlib import Path
from typing import Any

from anatomy.blueprint import TensorHeader
from anatomy.dtypes import BY_SAFETENSORS
from anatomy.errors import SourceError
from anatomy.source.jsonfile import MAX_JSON_BYTES, parse_object, read_bytes
from anatomy.source.quoting import brief
from anatomy.source.tensor_names import name_fault

PREFIX_BYTES = 8
"""The header's length comes first, as an unsigned 64-bit integer."""

_MAX_ELEMENTS = 2**63 - 1
"""torch and the format's own readers index with 64 bits."""

_HINT = "the file may be damaged, incomplete or hostile: get it again from where it was published"


def read_header(path: Path) -> tuple[TensorHeader, ...]:
    """The tensors that the file at `path` stores, in the order of their data; raises `SourceError` if it is not valid."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.", "check the path") from error
    prefix = read_bytes(path, limit=PREFIX_BYTES)
    length = header_length(prefix, file=str(path), size=size)
    return parse_header(read_bytes(path, limit=PREFIX_BYTES + length), file=path.name, size=size)


def header_length(prefix: bytes, *, file: str, size: int | None = None) -> int:
    """Bytes of JSON that follow the first eight, which are `prefix`.

    `size` is the whole file's length in bytes where it is known. Raises `SourceError` when the length cannot
    be right, so that nobody reads, or asks a server for, more than a header.
    """
    if len(prefix) < PREFIX_BYTES:
        raise _refuse(file, f"is truncated: {len(prefix)} bytes, not even the header's length")
    length = int.from_bytes(prefix[:PREFIX_BYTES], "little")
    if length > MAX_JSON_BYTES:
        raise _refuse(file, f"declares a header of {length:,} bytes; up to {MAX_JSON_BYTES:,} are read")
    if size is not None and PREFIX_BYTES + length > size:
        raise _refuse(
            file,
            f"is truncated: its header of {length:,} bytes runs past the end of the file, {size:,} bytes",
        )
    return length


def parse_header(data: bytes, *, file: str, size: int | None = None) -> tuple[TensorHeader, ...]:
    """The tensors in `data`, the first 8 + N bytes of a safetensors file (more bytes are ignored).

    `file` names the file in the result and in errors; `size` is its whole length in bytes, None when only the
    header is known. Raises `SourceError` for every departure from the format.
    """
    length = header_length(data[:PREFIX_BYTES], file=file, size=size)
    if len(data) < PREFIX_BYTES + length:
        raise _refuse(file, f"is truncated: {len(data):,} bytes of a header of {PREFIX_BYTES + length:,}")
    entries = parse_object(data[PREFIX_BYTES : PREFIX_BYTES + length], what=f"the header of {file}")
    _check_metadata(entries.pop("__metadata__", None), file)
    if fault := next(filter(None, map(name_fault, entries)), None):
        raise _refuse(file, fault)
    placed = sorted(
        ((_offsets(name, entry, file), _tensor(name, entry, file)) for name, entry in entries.items()),
        key=lambda item: item[0],
    )
    end = _check_cover(placed, file)
    if size is not None and PREFIX_BYTES + length + end != size:
        held = size - PREFIX_BYTES - length
        raise _refuse(file, f"holds {held:,} bytes of data where its header describes {end:,}")
    return tuple(tensor for _, tensor in placed)


def _tensor(name: str, entry: dict[str, Any], file: str) -> TensorHeader:
    """One entry as a header, its dtype and shape checked."""
    dtype, shape = entry["dtype"], entry["shape"]
    if not isinstance(dtype, str) or dtype not in BY_SAFETENSORS:
        raise _refuse(file, f"stores {name!r} in a number format that is not known: {brief(dtype)}")
    if not isinstance(shape, list) or not all(map(_is_count, shape)):
        raise _refuse(file, f"gives {name!r} a shape that is not a list of counts: {brief(shape)}")
    if math.prod(filter(None, shape)) > _MAX_ELEMENTS:
        raise _refuse(file, f"gives {name!r} an absurd shape: {brief(shape)}")
    return TensorHeader(name=name, dtype=dtype, shape=tuple(shape), file=file)


def _offsets(name: str, entry: object, file: str) -> tuple[int, int]:
    """Where the tensor's data begins and ends, in bytes after the header."""
    if not isinstance(entry, dict) or not entry.keys() >= {"dtype", "shape", "data_offsets"}:
        raise _refuse(file, f"does not give {name!r} a dtype, a shape and data_offsets")
    offsets = entry["data_offsets"]
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_count, offsets)):
        raise _refuse(file, f"gives {name!r} data_offsets that are not two counts: {brief(offsets)}")
    return offsets[0], offsets[1]


def _check_cover(placed: list[tuple[tuple[int, int], TensorHeader]], file: str) -> int:
    """The end of the data, after checking that the tensors, sorted by offset, lie end to end and fill their places."""
    end = 0
    for (start, stop), tensor in placed:
        if start != end:
            fault = "overlaps the tensor before it" if start < end else "leaves a hole before it"
            raise _refuse(
                file, f"places {tensor.name!r} at {start:,}, which {fault} (its data ends at {end:,})"
            )
        bits = tensor.elements * BY_SAFETENSORS[tensor.dtype].bits
        if (stop - start) * 8 != bits:
            shape = "x".join(map(str, tensor.shape)) or "a scalar"
            raise _refuse(
                file,
                f"gives {tensor.name!r} {stop - start:,} bytes; {tensor.dtype} and {shape} take {bits / 8:,.10g}",
            )
        end = stop
    return end


def _check_metadata(metadata: object, file: str) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _refuse(file, "has a __metadata__ that is not an object of strings")


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_ELEMENTS  # bool is an int to isinstance


def _refuse(file: str, fault: str) -> SourceError:
    return SourceError(f"{file} {fault}.", _HINT)
