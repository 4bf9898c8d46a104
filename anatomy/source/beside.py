"""Small JSON files that lie beside a model's config: what its preprocessor or its tokenizer is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anatomy.blueprint import Origin
from anatomy.source import held
from anatomy.source.hub_errors import explain, network_errors
from anatomy.source.jsonfile import parse_object, read_object
from anatomy.source.remote import fetch_and_keep_document


def read_beside(origin: Origin, name: str) -> Mapping[str, Any] | None:
    """The object in the file called `name` beside the model that `origin` names; None where there is no such file.

    A model of the catalog, which is read without the network, has none. Raises SourceError for a file that is no JSON
    object, and where the hub cannot be asked.
    """
    if origin.kind in ("file", "folder"):
        location = Path(origin.location)
        path: Path | None = (location if location.is_dir() else location.parent) / name
        return read_object(path) if path and path.is_file() else None
    if origin.kind == "cache":
        path = held.find_file(origin.location, origin.revision or "main", name)
        return None if path is None else read_object(path)
    if origin.kind == "hub":
        return _fetched(origin.location, origin.revision, name)
    return None


def _fetched(repo: str, revision: str | None, name: str) -> Mapping[str, Any] | None:
    try:
        data, _ = fetch_and_keep_document(repo, name, revision)
    except network_errors() as error:
        raise explain(error, repo, revision) from error
    return None if data is None else parse_object(data, what=f"{repo}'s {name}")


PREPROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
"""Where transformers keeps an image processor's or a feature extractor's settings; in the second one, nested."""
_NESTED = ("image_processor", "feature_extractor", "audio_processor")


def read_preprocessor(origin: Origin) -> Mapping[str, Any] | None:
    """The settings of the checkpoint's image processor or feature extractor; None where nothing states them."""
    for name in PREPROCESSOR_FILES:
        found = read_beside(origin, name)
        if found is None:
            continue
        nested = next((found[key] for key in _NESTED if isinstance(found.get(key), Mapping)), None)
        if nested is not None or name == PREPROCESSOR_FILES[0]:
            return found if nested is None else nested
    return None
