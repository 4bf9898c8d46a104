"""The header of a GGUF file, checked before it is believed: metadata and tensors. Their data is never read.

The format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): 'GGUF', a version, the numbers of tensors and
of metadata entries; the entries, each a key, a type and a value; the tensors, each a name, its dimensions with the
innermost first, a type and an offset; then, aligned, the data. Nearly all of a header is the tokenizer's vocabulary and
merges, arrays of strings that are stepped over.
"""

import math
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from anatomy import ggml
from anatomy.blueprint import TensorHeader
from anatomy.errors import SourceError
from anatomy.source.jsonfile import open_file
from anatomy.source.tensor_names import name_fault
from anatomy.source.window import Read, Window

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
"""Version 1, of August 2023, counted with 32 bits; llama.cpp has stopped reading it."""

_MAX_ENTRIES = 4_096
_MAX_TENSORS = 100_000
_MAX_DIMENSIONS = 4
"""ggml's GGML_MAX_DIMS."""
_MAX_ELEMENTS = 2**63 - 1
_MAX_STRINGS = 4_000_000
"""In the arrays of one file. A large tokenizer has 256,000 tokens and twice as many merges."""
_LONGEST_NAME = 1_024
_LONGEST_KEPT = 16_384
"""Bytes of a string, and items of an array, that are kept; longer values are known by their length."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""`enum gguf_type` -> the struct code of one value."""
_STRING, _ARRAY = 8, 9

_HINT = "the file may be damaged, incomplete or hostile: get it again from where it was published"


@dataclass(frozen=True, kw_only=True, slots=True)
class Long:
    """A value that was stepped over."""

    length: int
    """Items of an array, bytes of a string."""


Value = int | float | bool | str | tuple[int | float | bool, ...] | Long


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufHeader:
    """What a GGUF file says before its data."""

    version: int
    big_endian: bool
    """Whether numbers are written with the high byte first."""
    metadata: Mapping[str, Value]
    """Key -> value, e.g. {'general.architecture': 'llama'}."""
    tensors: tuple[TensorHeader, ...]
    """In the order of their data, shapes with the outermost dimension first as torch gives them."""


def read_gguf(path: Path) -> GgufHeader:
    """The header of the file at `path`; raises `SourceError` if it cannot be read or is not valid."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size

        def read(start: int, end: int) -> bytes:
            file.seek(start)
            return file.read(end - start)

        return parse_gguf(read, file=path.name, size=size)


def parse_gguf(read: Read, *, file: str, size: int | None) -> GgufHeader:
    """The header of the file that `read` reads parts of.

    `file` names it in the result and in errors; `size` is its whole length in bytes, None when that is not known. Raises
    `SourceError` for every departure from the format.
    """

    def refuse(fault: str, hint: str = _HINT) -> SourceError:
        return SourceError(f"{file} {fault}.", hint)

    window = Window(read, size=size, refuse=refuse)
    if window.take(4) != _MAGIC:
        raise refuse("is not a GGUF file: it does not begin with 'GGUF'")
    parser = _Parser(window, refuse)
    tensors, entries = parser.number("Q"), parser.number("Q")
    if tensors > _MAX_TENSORS or entries > _MAX_ENTRIES:
        raise refuse(
            f"counts {tensors:,} tensors and {entries:,} metadata entries, more than the {_MAX_TENSORS:,} "
            f"and {_MAX_ENTRIES:,} that are read"
        )
    metadata = parser.metadata(entries)
    return GgufHeader(
        version=parser.version,
        big_endian=parser.order == ">",
        metadata=metadata,
        tensors=parser.tensors(tensors, _alignment(metadata, refuse), file, size),
    )


class _Parser:
    """Reads values off a window, in the file's byte order."""

    def __init__(self, window: Window, refuse: Callable[..., SourceError]) -> None:
        self.window = window
        self.refuse = refuse
        raw = window.take(4)
        self.order = ">" if raw[:2] == b"\0\0" else "<"  # a version is a small number
        self.version = int.from_bytes(raw, "big" if self.order == ">" else "little")
        if self.version not in _VERSIONS:
            raise refuse(
                f"is of GGUF version {self.version}; versions 2 and 3 are read",
                "convert it anew with a current llama.cpp",
            )
        self.formats = {code: struct.Struct(self.order + code) for code in {*_SCALARS.values(), "Q", "I"}}
        self.strings = 0

    def number(self, code: str) -> int:
        form = self.formats[code]
        value: int = form.unpack(self.window.take(form.size))[0]
        return value

    def text(self, longest: int, what: str) -> str:
        length = self.number("Q")
        if length > longest:
            raise self.refuse(f"has {what} of {length:,} bytes, more than the {longest:,} that are read")
        return self._decoded(length, what)

    def _decoded(self, length: int, what: str) -> str:
        try:
            return self.window.take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.refuse(f"has {what} that is not UTF-8") from error

    def metadata(self, count: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for _ in range(count):
            key = self.text(_LONGEST_NAME, "a metadata key")
            if key in found:
                raise self.refuse(f"gives {key[:80]!r} twice")
            found[key] = self._value(key)
        return found

    def _value(self, key: str) -> Value:
        kind = self.number("I")
        if kind == _STRING:
            return self._string(key)
        return self._array(key) if kind == _ARRAY else self._scalars(kind, 1, key)[0]

    def _string(self, key: str) -> str | Long:
        length = self.number("Q")
        if length > _LONGEST_KEPT:
            self.window.skip(length)
            return Long(length=length)
        return self._decoded(length, f"a value of {key[:80]!r}")

    def _array(self, key: str) -> tuple[int | float | bool, ...] | Long:
        kind, length = self.number("I"), self.number("Q")
        if kind == _STRING:
            self.strings += length
            if self.strings > _MAX_STRINGS:
                raise self.refuse(
                    f"has {self.strings:,} strings in arrays, more than the {_MAX_STRINGS:,} that are read"
                )
            self.window.skip_strings(length, self.formats["Q"])
            return Long(length=length)
        if length > _LONGEST_KEPT and kind in _SCALARS:
            self.window.skip(length * self.formats[_SCALARS[kind]].size)
            return Long(length=length)
        return self._scalars(kind, length, key)

    def _scalars(self, kind: int, count: int, key: str) -> tuple[int | float | bool, ...]:
        if kind not in _SCALARS:
            what = "an array of arrays" if kind == _ARRAY else f"a value of unknown type {kind}"
            raise self.refuse(f"has {what} under {key[:80]!r}")
        form = struct.Struct(f"{self.order}{count}{_SCALARS[kind]}")
        return form.unpack(self.window.take(form.size))

    def tensors(self, count: int, alignment: int, file: str, size: int | None) -> tuple[TensorHeader, ...]:
        placed: dict[str, tuple[int, TensorHeader]] = {}
        for _ in range(count):
            tensor, offset = self._tensor(file)
            if tensor.name in placed:
                raise self.refuse(f"describes the tensor {tensor.name[:80]!r} twice")
            if offset % alignment:
                raise self.refuse(f"places {tensor.name[:80]!r} at {offset:,}, not aligned to {alignment}")
            placed[tensor.name] = offset, tensor
        ordered = sorted(placed.values(), key=lambda item: item[0])
        end = self._check_apart(ordered)
        begin = -(-self.window.position // alignment) * alignment
        if size is not None and begin + end > size:
            raise self.refuse(f"is truncated: it has {size:,} of {begin + end:,} bytes")
        return tuple(tensor for _, tensor in ordered)

    def _tensor(self, file: str) -> tuple[TensorHeader, int]:
        """One tensor, and where its data begins, in bytes after the header."""
        name = self.text(_LONGEST_NAME, "a tensor's name")
        if fault := name_fault(name):
            raise self.refuse(fault)
        rank = self.number("I")
        if rank > _MAX_DIMENSIONS:
            raise self.refuse(f"gives {name!r} {rank:,} dimensions, more than ggml's {_MAX_DIMENSIONS}")
        sizes = tuple(self.number("Q") for _ in range(rank))
        kind = ggml.BY_ID.get(number := self.number("I"))
        if kind is None:
            raise self.refuse(
                f"stores {name!r} in a type that is not known, number {number}",
                "the type may be newer than this version, or one that llama.cpp has withdrawn",
            )
        if math.prod(filter(None, sizes)) > _MAX_ELEMENTS:
            raise self.refuse(f"gives {name!r} an absurd shape: {list(sizes)}")
        if (row := sizes[0] if sizes else 1) % kind.block:
            raise self.refuse(f"gives {name!r} rows of {row:,}; {kind.name} has blocks of {kind.block}")
        return TensorHeader(name=name, dtype=kind.name, shape=sizes[::-1], file=file), self.number("Q")

    def _check_apart(self, ordered: list[tuple[int, TensorHeader]]) -> int:
        """The end of the data, after checking that no tensor begins before the one before it ends."""
        end = 0
        for offset, tensor in ordered:
            if offset < end:
                raise self.refuse(
                    f"places {tensor.name!r} at {offset:,}, inside the tensor before it, which ends at {end:,}"
                )
            end = offset + tensor.stored_bytes
        return end


def _alignment(metadata: Mapping[str, Value], refuse: Callable[..., SourceError]) -> int:
    """Of the data, in bytes."""
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise refuse(f"has a general.alignment that is not a power of two: {alignment!r}"[:200])
    return alignment
