"""JSON documents from outside: config.json, safetensors headers and indexes, read without trust."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from anatomy.errors import SourceError
from anatomy.source.quoting import brief

MAX_JSON_BYTES = 20_000_000
"""Largest document that is parsed. The index and the headers of a model with 100,000 tensors take 14 MB; the safetensors
library allows headers of 100 MB, which would parse into more than a gigabyte."""

_MAX_PARSED_BYTES = 180_000_000
"""Of memory, for one document."""

_MAX_DEPTH = 100
"""Objects and arrays inside each other. Configs have five; what walks them is not asked to go deeper."""

_BYTES_PER_MARK = {b":": 140, b",": 64, b"{": 48, b"[": 48}
"""Of memory, for what a mark stands for: a key and its place, an item, an object or an array. Upper bounds, measured on
CPython 3.11 for documents of nothing but short keys, short items and empty objects."""


class _DuplicateKeyError(ValueError):
    """An object names the same key twice."""


def parse_object(data: bytes, *, what: str) -> dict[str, Any]:
    """The JSON object in `data`; `what` names the document in errors.

    Raises `SourceError` as `parse_json` does, and where the document is not an object.
    """
    value = parse_json(data, what=what)
    if not isinstance(value, dict):
        raise SourceError(f"{what} is JSON but not an object: it holds {type(value).__name__}.", _HINT)
    return value


def parse_json(data: bytes, *, what: str) -> Any:
    """The JSON value in `data`.

    Raises `SourceError` for what is not UTF-8, not JSON, nested beyond reason, larger than is parsed, or gives a key
    twice (readers would disagree on which one counts).
    """
    _check_size(data, what)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except _DuplicateKeyError as error:
        raise SourceError(f"{what} gives {error} twice.", _HINT) from error
    except RecursionError as error:
        raise _too_deep(what) from error
    except ValueError as error:  # also bytes that are not UTF-8, and integers too long to convert
        raise SourceError(f"{what} is not valid JSON: {error}.", _HINT) from error
    if _is_deep(value):
        raise _too_deep(what)
    return value


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in the file at `path`; raises `SourceError` as `parse_object` does, or if it cannot be read."""
    return parse_object(read_bytes(path, limit=MAX_JSON_BYTES + 1), what=str(path))


def read_bytes(path: Path, *, limit: int) -> bytes:
    """At most `limit` bytes from the start of `path`; raises `SourceError` if it cannot be read."""
    with open_file(path) as file:
        return file.read(limit)


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """The file at `path`, open for reading; raises `SourceError` for what cannot be read, then or within.

    Only what keeps bytes is opened: reading a pipe or a device may wait for ever.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SourceError(f"{path} is not a regular file.", "name a file or a folder on disk")
            yield file
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SourceError(
            f"{path} cannot be read: {reason}.", "check the path and its permissions"
        ) from error


def _without_waiting(path: str, flags: int) -> int:
    """Opening a pipe that nobody writes to would wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_size(data: bytes, what: str) -> None:
    """Refuse what is too long, or would be too large once parsed."""
    if len(data) > MAX_JSON_BYTES:
        raise SourceError(
            f"{what} is {len(data):,} bytes, more than the {MAX_JSON_BYTES:,} that are read.", _HINT
        )
    wide = 1 if data.isascii() else 4  # one rare character makes all of a string's four bytes wide
    values = sum(data.count(mark) * size for mark, size in _BYTES_PER_MARK.items())
    if values + (2 + 2 * wide) * len(data) > _MAX_PARSED_BYTES:
        raise SourceError(f"{what} holds more values than are read, in {len(data):,} bytes.", _HINT)


def _is_deep(value: Any) -> bool:
    """Whether the value is nested deeper than is read; level by level, so that no depth is too much to find out."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _too_deep(what: str) -> SourceError:
    return SourceError(f"{what} is nested too deeply to be read.", _HINT)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a dict; json would keep the last of two equal keys without a word."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _DuplicateKeyError(brief(key))
        result[key] = value
    return result


_HINT = "the file may be damaged or not what its name says: get it again from where it was published"
