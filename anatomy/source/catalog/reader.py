"""The catalog's files, read once: about 15 ms for all of them, so there is no index to keep in step."""

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from anatomy.source.catalog.entry import COMPUTED_BY, CatalogEntry

SOURCES = "sources.toml"


def lookup(id: str) -> Mapping[str, Any] | None:  # noqa: A002 - the word that users know
    """The config of a well-known model, ready for transformers, or None when the catalog has no such id."""
    entry = find(id)
    return deepcopy(dict(entry.config)) if entry else None


def find(id: str) -> CatalogEntry | None:  # noqa: A002
    """The entry of an id, an alias, or a last part of an id ('Llama-3.1-8B') that only one has; any case."""
    if _last_part(id) not in _text():
        return None  # the common case on the hub, answered without parsing anything
    return _index().get(id.lower())


def names() -> tuple[str, ...]:
    """The ids of all entries, sorted."""
    return tuple(sorted((e.id for e in entries()), key=str.lower))


@cache
def entries() -> tuple[CatalogEntry, ...]:
    """Every entry, family by family."""
    sources = _read(SOURCES)
    return tuple(e for file in _files() if file.name != SOURCES for e in _family(_read(file.name), sources))


@cache
def _text() -> str:
    """All files, in lower case: every id and alias stands in it as it is."""
    return "\n".join(f.read_text(encoding="utf-8") for f in _files()).lower()


def _files() -> list[Traversable]:
    return sorted((f for f in files(__package__).iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)


@cache
def _index() -> dict[str, CatalogEntry]:
    short = Counter(_last_part(e.id) for e in entries())
    index = {_last_part(e.id): e for e in entries() if short[_last_part(e.id)] == 1}
    # Full ids and aliases come second: they win over an abbreviation.
    index |= {name.lower(): e for e in entries() for name in (e.id, *e.aliases)}
    return index


def _last_part(id: str) -> str:  # noqa: A002
    return id.rpartition("/")[2].lower()


def _family(rows: Mapping[str, Any], sources: Mapping[str, str]) -> Iterator[CatalogEntry]:
    for id_, row in rows.items():
        base = rows.get(row.get("like", ""), {})
        config = row.get("config") or base["config"]
        computed = row.get("computed", False)
        yield CatalogEntry(
            id=id_,
            config=config | dict.fromkeys(row.get("unset") or base.get("unset", ())),
            parameters=row.get("parameters", base.get("parameters")),
            source=COMPUTED_BY if computed else _source(row["source"], sources),
            computed=computed,
            published=row.get("published"),
            beside=row.get("beside", {}),
            aliases=tuple(row.get("aliases", ())),
            note=row.get("note", base.get("note", "")),
        )


def _source(reference: str, sources: Mapping[str, str]) -> str:
    key, _, row = reference.partition(":")
    return f"{sources[key]} ({row})" if row else sources[key]


def _read(name: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads((files(__package__) / name).read_text(encoding="utf-8"))
