"""GGUF models on the hub: 'organisation/name:FILE.gguf', or ':Q4_K_M' for the one file that has it in its name."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import SourceError
from anatomy.source import gguf_parts, held
from anatomy.source.hub_errors import explain, network_errors
from anatomy.source.ranges import fetch_names, fetch_part, read_range
from anatomy.source.sharded import enumerate_names

if TYPE_CHECKING:
    from anatomy.source.gguf import GgufHeader

HOW = "organisation/name:FILE.gguf, or organisation/name:Q4_K_M for the one that has it in its name"
"""How to name a file of a repository."""


def split_file(reference: str) -> tuple[str, str | None]:
    """'org/name:Q4_K_M' -> ('org/name', 'Q4_K_M'); what is no such reference stays whole."""
    found = re.fullmatch(r"([^:/\\]+(?:/[^:/\\]+)?):([^:/\\][^:\\]*)", reference)
    return (found[1], found[2]) if found and ".." not in found[2].split("/") else (reference, None)


def read_hub_gguf(repo: str, file: str, *, revision: str | None) -> Blueprint:
    """The GGUF model that `file` names in a repository, a file or a part of one's name; its header by range.

    A file that huggingface_hub's cache has is read there, and no request is made. Raises `SourceError` when there is no
    such file, when several fit, and when it cannot be read.
    """
    from anatomy.source.gguf_files import blueprint_of

    commit = held.find_commit(repo, revision or "main", (file,))
    chosen = file if commit else _choose(repo, file, revision)
    folder, slash, name = chosen.rpartition("/")
    headers, at = [], commit
    for part in gguf_parts.parts_of(name):
        header, stated = _header(
            repo, folder + slash + part, at or revision or "main", held_here=commit is not None
        )
        headers.append(header)
        at = at or stated
    origin = Origin(kind="cache" if commit else "hub", location=f"{repo}:{chosen}", revision=at or revision)
    return blueprint_of(f"{repo}:{chosen}", origin, headers)


def gguf_sentence(repo: str, names: Iterable[str]) -> str:
    """' It holds GGUF models ...' where some of a repository's files are, else ''; to follow another sentence."""
    models = gguf_parts.models_among(names)
    if not models:
        return ""
    return f" It holds GGUF models, each named as {repo}:FILE: {enumerate_names(models, shown=8)}."


def gguf_hint(repo: str, names: Iterable[str]) -> str:
    """How to name a GGUF model among a repository's files; '' where there is none."""
    models = gguf_parts.models_among(names)
    return f"name one of its GGUF files, e.g. {repo}:{models[0]}" if models else ""


def _choose(repo: str, file: str, revision: str | None) -> str:
    """The one model of the repository that `file` names, whole or by a word in its name such as 'Q4_K_M'."""
    try:
        models = gguf_parts.models_among(fetch_names(repo, revision=revision))
    except network_errors() as error:
        raise explain(error, repo, revision) from error
    words = {name: re.split(r"[-./]", name.lower()) for name in models}
    fitting = [name for name in models if name == file] or [n for n in models if file.lower() in words[n]]
    if not fitting:
        has = enumerate_names(models, shown=8) or "none"
        raise SourceError(
            f"{repo} has no GGUF file {file!r}; its GGUF models: {has}.",
            gguf_hint(repo, models) or f"write {HOW}",
        )
    return gguf_parts.choose(fitting, f"{repo}, by {file!r},", f"e.g. {repo}:{fitting[0]}")


def _header(repo: str, file: str, commit: str, *, held_here: bool) -> "tuple[GgufHeader, str | None]":
    """A file's header, and the commit that the hub says it is of, so that all that follows is of the same."""
    from anatomy.source.gguf import parse_gguf, read_gguf

    path = held.find_file(repo, commit, file) if held_here else None
    if path is not None:
        return read_gguf(path), commit
    try:
        first = fetch_part(repo, file, 0, 1, revision=commit)
    except network_errors() as error:
        raise explain(error, repo, commit) from error
    at = first.commit or commit
    header = parse_gguf(
        lambda start, end: read_range(repo, file, start, end, revision=at), file=file, size=first.size
    )
    return header, first.commit
