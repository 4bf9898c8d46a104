"""Models on the Hugging Face hub and in its local cache, through huggingface_hub and its settings.

Only config.json, the index of a sharded checkpoint and the headers of safetensors files are ever read.
huggingface_hub's constants cost 15 ms to import, its HTTP client 100 ms and more, hence the imports in
functions.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from anatomy.blueprint import Blueprint, Origin, TensorHeader
from anatomy.errors import SourceError
from anatomy.source import header_store
from anatomy.source.folder import CONFIG_FILE, Stored
from anatomy.source.hub_errors import explain, network_errors
from anatomy.source.jsonfile import MAX_JSON_BYTES, read_object
from anatomy.source.ranges import fetch_header
from anatomy.source.safetensors import read_header
from anatomy.source.sharded import INDEX_FILE, SINGLE_FILE, join_shards, missing_shards, read_weight_map

_PARALLEL_REQUESTS = 8


def is_repo_id(text: str) -> bool:
    """Whether `text` has the form of a repository's id: 'name' or 'organisation/name'.

    The rules are those of huggingface_hub's `validate_repo_id`, which costs its whole HTTP client to import.
    """
    parts = text.split("/")
    plain = all(re.fullmatch(r"\w([\w.-]*\w)?", part, re.ASCII) for part in parts)
    return len(parts) <= 2 and plain and len(parts[-1]) <= 96 and not re.search(r"--|\.\.|\.git$", text)


def read_cached(repo: str, *, revision: str | None, headers: bool = True) -> Blueprint | None:
    """The model as the local cache holds it, or None if it does not: no request is made.

    The headers are those of weights that happen to be in the cache, or those kept from an earlier answer.
    """
    snapshot = _cached_snapshot(repo, revision)
    if snapshot is None:
        return None
    config = read_object(snapshot / CONFIG_FILE) if (snapshot / CONFIG_FILE).is_file() else None
    tensors, notes = _cached_headers(repo, snapshot) if headers or config is None else (None, ())
    if config is None and tensors is None:
        return None
    origin = Origin(kind="cache", location=repo, revision=snapshot.name)
    return Blueprint(id=repo, origin=origin, config=config, tensors=tensors, notes=notes)


def read_hub(
    repo: str, *, revision: str | None, headers: bool = True, known: tuple[str, ...] = ()
) -> Blueprint:
    """The model as the hub describes it: its config, and its checkpoint's headers by HTTP range.

    `known` are ids to suggest when the hub does not know this one. Headers that cannot be had leave a note;
    headers that are not valid, and everything that keeps the config from being read, raise `SourceError`.
    """
    try:
        path = _download(repo, CONFIG_FILE, revision)
    except network_errors() as error:
        raise explain(error, repo, revision, known) from error
    commit = path.parent.name if path else revision
    tensors, notes = _fetch_stored(repo, commit or "main") if headers or path is None else (None, ())
    if path is None and tensors is None:
        raise SourceError(
            f"{repo} has no {CONFIG_FILE}, and its headers cannot be used either: {' '.join(notes)}",
            "name a repository with a transformers model; a GGUF or pickle-only repository is not one",
        )
    return Blueprint(
        id=repo,
        origin=Origin(kind="hub", location=repo, revision=commit),
        config=read_object(path) if path else None,
        tensors=tensors,
        notes=notes,
    )


def _cached_snapshot(repo: str, revision: str | None) -> Path | None:
    """The folder of the cached commit that `revision` (by default main) names, if it holds anything of use."""
    from huggingface_hub import constants

    if not Path(constants.HF_HUB_CACHE, f"models--{repo.replace('/', '--')}").is_dir():
        return None  # the common case, answered without importing the HTTP client
    from huggingface_hub import try_to_load_from_cache

    for name in (CONFIG_FILE, SINGLE_FILE, INDEX_FILE):
        found = try_to_load_from_cache(repo, name, revision=revision)
        if isinstance(found, str):
            return Path(found).parent
    return None


def _cached_headers(repo: str, snapshot: Path) -> Stored:
    """What is known on this machine of the checkpoint's headers."""

    def read(name: str) -> tuple[TensorHeader, ...] | None:
        if (snapshot / name).is_file():
            return read_header(snapshot / name)
        return header_store.recall(repo, snapshot.name, name)

    if (single := read(SINGLE_FILE)) is not None:
        return single, ()
    note = f"The cache holds no safetensors headers of {repo}: what is stored is not known."
    unknown: Stored = (None, (note,))
    if not (snapshot / INDEX_FILE).is_file():
        return unknown
    what = f"{repo}'s {INDEX_FILE}"
    weight_map = read_weight_map(read_object(snapshot / INDEX_FILE), what=what)
    shards: dict[str, tuple[TensorHeader, ...]] = {}
    for name in set(weight_map.values()):
        if (tensors := read(name)) is None:
            return unknown
        shards[name] = tensors
    return join_shards(weight_map, shards, what=what)


def _fetch_stored(repo: str, revision: str) -> Stored:
    """The checkpoint's headers from the hub, or a note that says why there are none."""
    try:
        for fetch in (_fetch_single, _fetch_shards):
            stored = fetch(repo, revision)
            if stored is not None:
                return stored
    except network_errors() as error:
        return None, (f"The safetensors headers could not be read: {explain(error, repo, revision).message}",)
    return None, (f"{repo} has neither {SINGLE_FILE} nor {INDEX_FILE}: what is stored is not known.",)


def _fetch_single(repo: str, revision: str) -> Stored | None:
    """The headers of a checkpoint in one file; None when there is no such file."""
    tensors = _fetch_and_keep(repo, SINGLE_FILE, revision)
    return None if tensors is None else (tensors, ())


def _fetch_shards(repo: str, revision: str) -> Stored | None:
    """The headers of a checkpoint in shards; None when there is no index."""
    path = _download(repo, INDEX_FILE, revision)
    if path is None:
        return None
    what = f"{repo}'s {INDEX_FILE}"
    weight_map = read_weight_map(read_object(path), what=what)
    names = sorted(set(weight_map.values()))
    with ThreadPoolExecutor(_PARALLEL_REQUESTS) as pool:
        headers = dict(
            zip(names, pool.map(lambda name: _fetch_and_keep(repo, name, revision), names), strict=True)
        )
    shards = {name: tensors for name, tensors in headers.items() if tensors is not None}
    if len(shards) < len(names):
        raise missing_shards(set(names) - shards.keys(), what=what)
    return join_shards(weight_map, shards, what=what)


def _fetch_and_keep(repo: str, file: str, revision: str) -> tuple[TensorHeader, ...] | None:
    """One file's headers, kept for the next time; None when the hub has no such file."""
    from huggingface_hub.errors import RemoteEntryNotFoundError

    if (kept := header_store.recall(repo, revision, file)) is not None:
        return kept  # another branch or tag of the same commit
    try:
        data, tensors = fetch_header(repo, file, revision=revision)
    except RemoteEntryNotFoundError:
        return None
    header_store.keep(repo, revision, file, data)
    return tensors


def _download(repo: str, file: str, revision: str | None) -> Path | None:
    """A small file of the repository, in huggingface_hub's cache; None when the repository has no such file.

    Its size is asked for first: a config of many gigabytes is no config. That request is not repeated when it
    fails, while `hf_hub_download` alone tries for more than 20 seconds before it says that there is no network.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        size = get_hf_file_metadata(hf_hub_url(repo, file, revision=revision)).size
        if size is not None and size > MAX_JSON_BYTES:
            raise SourceError(
                f"{repo}'s {file} is {size:,} bytes, more than the {MAX_JSON_BYTES:,} that are read.",
                "check that this is the repository you mean",
            )
        return Path(hf_hub_download(repo, file, revision=revision))
    except RemoteEntryNotFoundError:
        return None
