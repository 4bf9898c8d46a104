"""Models on the Hugging Face hub and in its local cache, through huggingface_hub and its settings.

Only config.json, the index of a sharded checkpoint and the headers of safetensors files are ever read.
huggingface_hub's constants cost 15 ms to import, its HTTP client 200 ms, hence the imports in functions.
"""

import re
from collections.abc import Callable
from contextlib import suppress

from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import SourceError
from anatomy.source import held, kept
from anatomy.source.folder import CONFIG_FILE, Stored
from anatomy.source.hub_adapter import read_hub_adapter
from anatomy.source.hub_errors import explain, network_errors
from anatomy.source.hub_gguf import gguf_hint, gguf_sentence
from anatomy.source.jsonfile import parse_object, read_object
from anatomy.source.pickles import pickles_sentence
from anatomy.source.ranges import fetch_names
from anatomy.source.remote import fetch_json, fetch_stored
from anatomy.source.sharded import INDEX_FILE, SINGLE_FILE, join_shards, read_weight_map

Progress = Callable[[str], None]
"""Told what is being read, in a few words."""


def is_repo_id(text: str) -> bool:
    """Whether `text` has the form of a repository's id: 'name' or 'organisation/name'.

    The rules are those of huggingface_hub's `validate_repo_id`, which costs its whole HTTP client to import.
    """
    parts = text.split("/")
    plain = all(re.fullmatch(r"\w([\w.-]*\w)?", part, re.ASCII) for part in parts)
    return len(parts) <= 2 and plain and len(parts[-1]) <= 96 and not re.search(r"--|\.\.|\.git$", text)


def read_cached(repo: str, *, revision: str | None, headers: bool = True) -> Blueprint | None:
    """The model as this machine holds it, or None if it does not: no request is made.

    Its headers are those of weights that happen to be in huggingface_hub's cache, or those kept of earlier answers.
    """
    commit = held.find_commit(repo, revision or "main", (CONFIG_FILE, SINGLE_FILE, INDEX_FILE))
    if commit is None:
        return None
    path = held.find_file(repo, commit, CONFIG_FILE)
    config = read_object(path) if path else None
    tensors, notes = _held_headers(repo, commit) if headers or config is None else (None, ())
    if config is None and tensors is None:
        return None
    origin = Origin(kind="cache", location=repo, revision=commit)
    return Blueprint(id=repo, origin=origin, config=config, tensors=tensors, notes=notes)


def read_hub(
    repo: str,
    *,
    revision: str | None,
    headers: bool = True,
    known: Callable[[], tuple[str, ...]] = tuple,
    progress: Progress | None = None,
) -> Blueprint:
    """The model as the hub describes it: its config, and its checkpoint's headers by HTTP range.

    `known` gives ids to suggest when the hub does not know this one. Headers that cannot be had leave a note, and the
    next call asks anew; headers that are not valid, and everything that keeps the config from being read, raise `SourceError`.
    """
    try:
        data, commit = fetch_json(repo, CONFIG_FILE, revision)
    except network_errors() as error:
        raise explain(error, repo, revision, known()) from error
    config = None if data is None else parse_object(data, what=f"{repo}'s {CONFIG_FILE}")
    at, tell = commit or revision or "main", progress or (lambda stage: None)
    try:
        tensors, notes = _fetch_headers(repo, at, tell) if headers or config is None else (None, ())
    except network_errors() as error:
        tensors = None
        notes = (f"The safetensors headers could not be read: {explain(error, repo, at).message}",)
    else:
        kept.keep_answer(repo, revision or "main", commit, {CONFIG_FILE: data})
    if config is None and tensors is None:
        if adapter := read_hub_adapter(repo, revision=commit or revision):
            return adapter
        raise SourceError(
            f"{repo} has no {CONFIG_FILE}. {' '.join(notes)}",
            gguf_hint(repo, _names(repo, at))
            or "name a repository with a transformers model or with safetensors files",
        )
    origin = Origin(kind="hub", location=repo, revision=commit or revision)
    return Blueprint(id=repo, origin=origin, config=config, tensors=tensors, notes=notes)


def _held_headers(repo: str, commit: str) -> Stored:
    """What is known on this machine of the checkpoint's headers."""
    if (single := held.recall_header(repo, commit, SINGLE_FILE)) is not None:
        return single, ()
    note = f"The cache holds no safetensors headers of {repo}: what is stored is not known."
    unknown: Stored = (None, (note,))
    path = held.find_file(repo, commit, INDEX_FILE)
    if path is None:
        return unknown
    what = f"{repo}'s {INDEX_FILE}"
    weight_map = read_weight_map(read_object(path), what=what)
    if (together := kept.recall_headers(repo, commit, INDEX_FILE, {*weight_map.values()})) is not None:
        return join_shards(weight_map, together, what=what)
    shards = {name: held.recall_header(repo, commit, name) for name in set(weight_map.values())}
    found = {name: tensors for name, tensors in shards.items() if tensors is not None}
    return join_shards(weight_map, found, what=what) if len(found) == len(shards) else unknown


def _fetch_headers(repo: str, revision: str, tell: Progress) -> Stored:
    """The checkpoint's headers from the hub, or a note that it has none; raises as `fetch_stored`."""
    return fetch_stored(repo, revision, tell) or (None, (_nothing_stored(repo, revision),))


def _nothing_stored(repo: str, revision: str) -> str:
    """What a repository without safetensors files has instead."""
    lacks = f"{repo} has neither {SINGLE_FILE} nor {INDEX_FILE}: what is stored is not known."
    names = _names(repo, revision)
    return lacks + pickles_sentence(names) + gguf_sentence(repo, names)


def _names(repo: str, revision: str) -> tuple[str, ...]:
    """The repository's files; none where the hub does not list them."""
    with suppress(SourceError, *network_errors()):
        return fetch_names(repo, revision=revision)
    return ()
