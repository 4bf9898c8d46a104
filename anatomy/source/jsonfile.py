"""JSON documents from outside: config.json, safetensors headers and indexes, read without trust."""

import json
from pathlib import Path
from typing import Any

from anatomy.errors import SourceError

MAX_JSON_BYTES = 100_000_000
"""Largest document that is parsed. The safetensors library refuses longer headers too (its MAX_HEADER_SIZE)."""


class _DuplicateKeyError(ValueError):
    """An object names the same key twice."""


def parse_object(data: bytes, *, what: str) -> dict[str, Any]:
    """The JSON object in `data`; `what` names the document in errors.

    Raises `SourceError` for anything else: not UTF-8, not JSON, nested beyond reason, not an object, or a
    key given twice (readers would disagree on which one counts).
    """
    if len(data) > MAX_JSON_BYTES:
        raise SourceError(
            f"{what} is {len(data):,} bytes, more than the {MAX_JSON_BYTES:,} that are read.", _HINT
        )
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except _DuplicateKeyError as error:
        raise SourceError(f"{what} gives {error} twice.", _HINT) from error
    except RecursionError as error:
        raise SourceError(f"{what} is nested too deeply to be read.", _HINT) from error
    except ValueError as error:  # also bytes that are not UTF-8, and integers too long to convert
        raise SourceError(f"{what} is not valid JSON: {error}.", _HINT) from error
    if not isinstance(value, dict):
        raise SourceError(f"{what} is JSON but not an object: it holds {type(value).__name__}.", _HINT)
    return value


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in the file at `path`; raises `SourceError` as `parse_object` does, or if it cannot be read."""
    return parse_object(read_bytes(path, limit=MAX_JSON_BYTES + 1), what=str(path))


def read_bytes(path: Path, *, limit: int) -> bytes:
    """At most `limit` bytes from the start of `path`; raises `SourceError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SourceError(
            f"{path} cannot be read: {reason}.", "check the path and its permissions"
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a dict; json would keep the last of two equal keys without a word."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _DuplicateKeyError(repr(key))
        result[key] = value
    return result


_HINT = "the file may be damaged or not what its name says: get it again from where it was published"
