"""What can be opened here without typing a name: models that are known, that this machine holds, runs that were saved."""

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anatomy.profiling.record import KIND
from anatomy.units import format_count

Kind = Literal["catalog", "cache", "folder", "run"]
LOOKED_AT = 2000
"""Entries of a folder that are looked at; further ones are typed."""
_START = 64
"""Bytes at the start of a file in which a saved run says what it is."""
_MODEL_FILES = (".gguf", ".safetensors")


@dataclass(frozen=True, kw_only=True, slots=True)
class AtHand:
    """Something that can be opened."""

    kind: Kind
    reference: str
    """What to type for it."""
    note: str = ""
    """What is known of it."""


def at_hand(folder: Path | None = None) -> tuple[AtHand, ...]:
    """Saved runs and models in `folder` (the current one when left out), models in the hub's cache, the catalog's."""
    here = folder or Path()
    return (*_in_folder(here, typed=folder is not None), *_cached(), *_catalog())


def saved_runs(folder: Path) -> tuple[Path, ...]:
    """The runs that `anatomy profile --save` and `anatomy validate` left in a folder, by name."""
    return tuple(path for path in _entries(folder) if is_saved_run(path))


def is_saved_run(path: Path) -> bool:
    """Whether a file has such a run's name, and says at its start that it is one."""
    if not path.name.endswith((".json", ".json.xz")):
        return False
    try:
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
            return f'"kind":"{KIND}"'.encode() in file.read(_START)
    except (OSError, EOFError, lzma.LZMAError):
        return False


def _in_folder(folder: Path, *, typed: bool) -> Iterator[AtHand]:
    for path in saved_runs(folder):
        yield AtHand(kind="run", reference=str(path), note="saved run")
    for path in _entries(folder):
        name = str(path) if typed else f"./{path}"
        if path.is_dir() and (path / "config.json").is_file():
            yield AtHand(kind="folder", reference=name, note="config.json")
        elif path.is_file() and path.suffix in _MODEL_FILES:
            yield AtHand(kind="folder", reference=name, note=path.suffix.removeprefix("."))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path, _ in zip(folder.iterdir(), range(LOOKED_AT), strict=False))
    except OSError:
        return []


def _cached() -> Iterator[AtHand]:
    from huggingface_hub import constants

    for path in _entries(Path(constants.HF_HUB_CACHE)):
        kind, *names = path.name.split("--")
        if kind == "models" and names and any(path.glob("snapshots/*/config.json")):
            yield AtHand(kind="cache", reference="/".join(names), note="in the cache")


def _catalog() -> Iterator[AtHand]:
    from anatomy.source import catalog

    for entry in catalog.entries():
        yield AtHand(
            kind="catalog",
            reference=entry.id,
            note="" if entry.parameters is None else f"{format_count(entry.parameters)} parameters",
        )
