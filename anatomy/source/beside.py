"""Small files that lie beside a model's config, wherever it was read from: its preprocessor's, its tokenizer's."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anatomy.blueprint import Origin
from anatomy.errors import SourceError
from anatomy.source.inside import inside
from anatomy.source.jsonfile import MAX_JSON_BYTES, parse_object, read_bytes

Read = Callable[[str], bytes | None]
"""A file's name -> its bytes; None where there is no such file."""


def reader_beside(origin: Origin, *, limit: int) -> Read | None:
    """Reads what lies beside the model of `origin`, `limit` bytes of a file on this machine and one more.

    None for a model of the catalog, which has nothing beside it. Reading raises SourceError for files that are damaged or
    cannot be had.
    """
    if origin.kind in ("file", "folder"):
        path = Path(origin.location)
        return _on_disk(path if path.is_dir() else path.parent, limit)
    if origin.kind in ("cache", "hub"):
        return _of_repository(origin.location, origin.revision or "main", limit)
    return None


def _on_disk(folder: Path, limit: int) -> Read:
    def read(name: str) -> bytes | None:
        path = inside(folder, name)
        return read_bytes(path, limit=limit + 1) if path.is_file() else None

    return read


def _of_repository(repo: str, revision: str, limit: int) -> Read:
    from anatomy.source import held
    from anatomy.source.hub_errors import explain, network_errors
    from anatomy.source.remote import fetch_json

    def read(name: str) -> bytes | None:
        if path := held.find_file(repo, revision, name):
            return read_bytes(path, limit=limit + 1)
        try:
            return fetch_json(repo, name, revision)[0]
        except network_errors() as error:
            found: SourceError = explain(error, repo, revision)
            raise found from error

    return read


PREPROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
"""Where transformers keeps an image processor's or a feature extractor's settings; in the second one, nested."""
_NESTED = ("image_processor", "feature_extractor", "audio_processor")


def read_preprocessor(origin: Origin) -> Mapping[str, Any] | None:
    """The settings of the checkpoint's image processor or feature extractor; None where nothing states them."""
    read = reader_beside(origin, limit=MAX_JSON_BYTES)
    if read is None:
        return None
    for name in PREPROCESSOR_FILES:
        data = read(name)
        if data is None:
            continue
        found = parse_object(data, what=f"{origin.location}'s {name}")
        nested = next((found[key] for key in _NESTED if isinstance(found.get(key), Mapping)), None)
        if nested is not None or name == PREPROCESSOR_FILES[0]:
            return found if nested is None else nested
    return None
