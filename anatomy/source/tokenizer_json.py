"""tokenizer.json, read as far as its vocabulary: 33 MB for a vocabulary of 256,000, of which the merges are most.

The text is taken as Latin-1, a byte a character: JSON's own characters are ASCII, and a rare character does not make
the whole text four bytes wide. What is kept of it is decoded as UTF-8.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anatomy.errors import SourceError

MAX_BYTES = 64_000_000
"""Largest file that is read."""
MAX_ENTRIES = 4_000_000
"""Most commas or colons in it: each may become an object in memory."""

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """What a vocabulary holds."""

    kind: str
    """The tokenizer's model: 'BPE', 'Unigram', 'WordPiece', 'WordLevel' ...; '' where it does not say."""
    size: int
    """Tokens, added ones counted."""
    highest: int
    """The highest id of a token; -1 of none."""
    added: int = 0
    """Tokens that were added to the model's own, or marked in it."""
    special: tuple[str, ...] = ()
    """The added ones that are special, in the order of their ids."""


def parse_tokenizer(data: bytes, *, what: str) -> Vocabulary:
    """The vocabulary of a tokenizer.json. Raises SourceError for what is not one, too long, or nested too deeply."""
    _check(data, what)
    text = data.decode("latin-1")
    added: list[Any] = []
    model: dict[str, Any] = {}
    try:
        for key, at in _members(text, _skip(text, 0)):
            if key == "added_tokens":
                added = _value(text, at)
            elif key == "model":
                model = _model(text, at)
                if added:
                    break  # what follows would only be checked
    except (ValueError, IndexError, RecursionError) as error:
        raise SourceError(f"{what} is not a valid tokenizer.json: {error}.", _HINT) from error
    if "vocab" not in model or not isinstance(added, list):
        raise SourceError(f"{what} holds no vocabulary.", _HINT)
    return _vocabulary(model, added, what)


def _check(data: bytes, what: str) -> None:
    entries = data.count(b",") + data.count(b":")
    if len(data) > MAX_BYTES or entries > MAX_ENTRIES:
        raise SourceError(f"{what} is larger than is read: {len(data):,} bytes, {entries:,} entries.", _HINT)


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """(key, where its value begins) of the object at `at`. Values are stepped over once the next key is asked for."""
    _expect(text, at, "{")
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        if not isinstance(key, str):
            raise ValueError("a key is no string")
        at = _skip(text, at)
        _expect(text, at, ":")
        at = _skip(text, at + 1)
        yield key, at
        at = _skip(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip(text, at + 1)
        else:
            _expect(text, at, "}")


def _model(text: str, at: int) -> dict[str, Any]:
    """The model's type and vocabulary; what comes after both is not looked at."""
    found: dict[str, Any] = {}
    for key, value in _members(text, at):
        if key in ("type", "vocab"):
            found[key] = _value(text, value)
        if len(found) == 2:
            break
    return found


def _value(text: str, at: int) -> Any:
    return _DECODER.raw_decode(text, at)[0]


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _expect(text: str, at: int, mark: str) -> None:
    if text[at] != mark:
        raise ValueError(f"{mark!r} is missing at character {at}")


def _vocabulary(model: dict[str, Any], added: list[Any], what: str) -> Vocabulary:
    own = model["vocab"]
    if isinstance(own, list):  # Unigram: [token, score] by id
        ids = {row[0]: number for number, row in enumerate(own) if isinstance(row, list) and row}
    else:
        ids = own if isinstance(own, dict) else {}
    if not ids or not all(isinstance(number, int) for number in ids.values()):
        raise SourceError(f"{what} holds no vocabulary that is understood.", _HINT)
    rows = [row for row in added if isinstance(row, dict) and isinstance(row.get("id"), int)]
    new = {row.get("content"): row["id"] for row in rows if row.get("content") not in ids}
    special = sorted((row["id"], str(row.get("content"))) for row in rows if row.get("special"))
    return Vocabulary(
        kind=str(model.get("type", "")),
        size=len(ids) + len(new),
        highest=max((*ids.values(), *new.values())),
        added=len(rows),
        special=tuple(_utf8(token) for _, token in special),
    )


def _utf8(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


_HINT = "the file may be damaged or not what its name says: get it again from where it was published"
