"""A reference, as a person types it -> the reader that knows the model -> its Blueprint.

In this order: an existing path; the local Hugging Face cache; the shipped catalog; the hub.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anatomy.blueprint import Adapter, Blueprint, Origin
from anatomy.errors import SourceError
from anatomy.source import catalog, hub, hub_adapter
from anatomy.source.folder import FILE_SUFFIXES, read_path
from anatomy.source.hub_gguf import read_hub_gguf, split_file
from anatomy.source.overrides import apply_overrides
from anatomy.source.quoting import brief
from anatomy.source.spelling import close_matches


def load(
    reference: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    headers: bool = True,
    progress: hub.Progress | None = None,
) -> Blueprint:
    """What is known of the model that `reference` names, its weights never read.

    `reference` is a catalog id, a hub id with optional '@revision' (and ':FILE.gguf'), a folder, a config.json, a
    *.safetensors file, a *.safetensors.index.json or a *.gguf file. `overrides` are facts to set in the config ({'num_hidden_layers': 4};
    dotted keys reach nested configs). `headers` says whether to read a checkpoint's headers where there is a
    config too; `progress` hears of what is read from the hub. Raises `SourceError` when the reference cannot be
    read, with what to do about it.
    """
    found = apply_overrides(_read(reference, revision, headers, progress), overrides or {})
    return (
        _check_type(found) if found.adapter is None else _with_base(found, found.adapter, headers, progress)
    )


def _read(reference: str, revision: str | None, headers: bool, progress: hub.Progress | None) -> Blueprint:
    path = _expanded(reference)
    if reference and os.path.exists(path):
        if revision is not None:
            raise SourceError(
                f"{reference} is a path, which has no revision {revision!r}.", "leave the revision out"
            )
        return read_path(Path(path), headers=headers)
    _check_own(reference)
    named, file = split_file(reference)
    repo, revision = _split_revision(named, revision)
    _check_id(repo, named)
    if file is not None:
        return read_hub_gguf(repo, file, revision=revision)
    return (
        hub.read_cached(repo, revision=revision, headers=headers)
        or hub_adapter.read_cached_adapter(repo, revision=revision)
        or _read_catalog(repo, revision)
        or hub.read_hub(repo, revision=revision, headers=headers, known=catalog.names, progress=progress)
    )


def _with_base(found: Blueprint, adapter: Adapter, headers: bool, progress: hub.Progress | None) -> Blueprint:
    """The adapter with its base, where that can be read: a path only if the adapter, too, lies on this machine's disk.

    With the base's headers, where `headers` are asked for: of many models these say enough, and no class is built.
    """
    name, revision = adapter.config.get("base_model_name_or_path"), adapter.config.get("revision")
    if not isinstance(name, str) or not name:
        return replace(found, notes=(*found.notes, "The adapter does not say which model it adapts."))
    is_path = found.origin.kind == "folder" and os.path.exists(name) and "\0" not in name
    try:
        if not is_path and not hub.is_repo_id(name):
            raise SourceError(f"{brief(name)} is neither a hub id nor a path that exists here.")
        at = revision if isinstance(revision, str) and not is_path else None
        base = _check_type(_read(name, at, headers, progress))
        if base.adapter is not None:
            raise SourceError(f"{name} is an adapter itself.")
    except SourceError as error:
        note = f"Its base, {brief(name)}, could not be read, so the adapter is shown alone: {error.message}"
        return replace(found, notes=(*found.notes, note))
    return replace(found, adapter=replace(adapter, base=base))


def _read_catalog(repo: str, revision: str | None) -> Blueprint | None:
    """The shipped facts; None for an id that is not in the catalog, and for a revision, which it does not have."""
    entry = catalog.find(repo) if revision is None else None
    if entry is None:
        return None
    origin = Origin(kind="catalog", location=entry.id)
    notes = (entry.note,) if entry.note else ()
    return Blueprint(id=repo, origin=origin, config=catalog.lookup(entry.id), notes=notes)


def _split_revision(reference: str, revision: str | None) -> tuple[str, str | None]:
    """'org/name@v2' -> ('org/name', 'v2'); a revision may also be given apart, but not another one."""
    repo, at, named = reference.partition("@")
    if at and not named:
        raise SourceError(
            f"{reference!r} ends in '@' without a revision.", f"write {repo}@main, or {repo} alone"
        )
    if at and revision is not None and revision != named:
        raise SourceError(f"Two revisions are named: {named!r} and {revision!r}.", "name one of them")
    return repo, named if at else revision


def _check_own(reference: str) -> None:
    """Refuse a file of Python with a colon that is followed by no function's name: with one, it is not for this package."""
    found = re.fullmatch(r"(.*\.py):(.*)", reference)
    if found and not found[2].lower().endswith(".gguf"):
        after = (
            f"{found[2]!r} is no name of a function" if found[2] else "no function is named after the colon"
        )
        raise SourceError(
            f"{reference!r} is not of the form FILE.py:NAME: {after}.", f"e.g. {found[1]}:build"
        )


def _check_id(repo: str, reference: str) -> None:
    """Refuse what is plainly a path that does not exist, and what no hub would have."""
    looks_like_path = (
        reference.startswith((".", "/", "~"))
        or "\\" in reference
        or reference.lower().endswith(FILE_SUFFIXES)
    )
    if looks_like_path or repo.count("/") > 1:
        raise SourceError(f"There is no file or folder {reference!r}.", _parent_hint(reference))
    if not hub.is_repo_id(repo):
        matches = close_matches(repo, catalog.names())
        hint = f"did you mean {' or '.join(matches)}?" if matches else "a hub id is organisation/name"
        raise SourceError(f"{reference!r} is neither a path that exists nor a hub id.", hint)


def _expanded(reference: str) -> str:
    """With the home folder for a tilde; a name that no system can look up stays as it is."""
    try:
        return os.path.expanduser(reference)
    except ValueError:
        return reference


def _parent_hint(reference: str) -> str:
    parent = os.path.dirname(_expanded(reference)) or "."
    if "://" in reference:
        return "give the hub id alone, organisation/name, not its address"
    return f"see what {parent} holds" if os.path.isdir(parent) else f"{parent} does not exist either"


def _check_type(blueprint: Blueprint) -> Blueprint:
    """A config must say what it configures, unless headers say what there is."""
    if blueprint.config is None or blueprint.config.get("model_type"):
        return blueprint
    if blueprint.names == "gguf" and blueprint.tensors is not None:
        return blueprint  # its architecture is llama.cpp's, and said
    if blueprint.tensors is None:
        raise SourceError(
            f"{blueprint.id}'s config does not say its model_type, so no model can be built from it.",
            "if you know it, set it: --set model_type=llama",
        )
    note = "The config does not say its model_type: only what the headers say can be counted."
    return replace(blueprint, notes=(*blueprint.notes, note))
