"""Adapters on the hub and in its cache: their settings, and the header of their weights by range."""

from contextlib import suppress

from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import SourceError
from anatomy.source import held, kept
from anatomy.source.adapter import ADAPTER_CONFIG, ADAPTER_FILE, adapter_blueprint, missing_note
from anatomy.source.hub_errors import explain, network_errors
from anatomy.source.jsonfile import parse_object, read_object
from anatomy.source.pickles import pickled_weights
from anatomy.source.ranges import fetch_names
from anatomy.source.remote import fetch_and_keep, fetch_json


def read_cached_adapter(repo: str, *, revision: str | None) -> Blueprint | None:
    """The adapter as this machine holds it, settings and header; None where either is not here: no request is made."""
    commit = held.find_commit(repo, revision or "main", (ADAPTER_CONFIG,))
    path = held.find_file(repo, commit, ADAPTER_CONFIG) if commit else None
    if commit is None or path is None:
        return None
    tensors = held.recall_header(repo, commit, ADAPTER_FILE)
    if tensors is None:
        return None
    origin = Origin(kind="cache", location=repo, revision=commit)
    return adapter_blueprint(repo, origin, read_object(path), tensors)


def read_hub_adapter(repo: str, *, revision: str | None) -> Blueprint | None:
    """The adapter that the hub has under that id; None where the repository has no adapter_config.json."""
    try:
        data, commit = fetch_json(repo, ADAPTER_CONFIG, revision)
        if data is None:
            return None
        tensors = fetch_and_keep(repo, ADAPTER_FILE, commit or revision or "main")
    except network_errors() as error:
        raise explain(error, repo, revision) from error
    kept.keep_answer(repo, revision or "main", commit, {ADAPTER_CONFIG: data})
    origin = Origin(kind="hub", location=repo, revision=commit or revision)
    config = parse_object(data, what=f"{repo}'s {ADAPTER_CONFIG}")
    lacks = "" if tensors is not None else _why_missing(repo, commit or revision)
    return adapter_blueprint(repo, origin, config, tensors, lacks)


def _why_missing(repo: str, revision: str | None) -> str:
    names: tuple[str, ...] = ()
    with suppress(SourceError, *network_errors()):
        names = fetch_names(repo, revision=revision)
    return missing_note(repo, pickled=bool(pickled_weights(names)))
