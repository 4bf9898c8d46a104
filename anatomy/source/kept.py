"""What came from the hub, kept, so that the second answer is the first one, also offline.

Configs, indexes and headers lie beside huggingface_hub's own cache, in the assets folder that it gives to other
libraries (HF_ASSETS_CACHE), by repository, commit and file; and what a branch or tag meant when it was asked for, as
huggingface_hub's cache remembers it too. A commit never changes, so nothing under one grows stale. A file appears
whole or not at all.
"""

import os
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from anatomy.blueprint import TensorHeader
from anatomy.source.jsonfile import MAX_JSON_BYTES, read_bytes
from anatomy.source.safetensors import PREFIX_BYTES, header_length, parse_header

_LONGEST_HEADERS = 10 * MAX_JSON_BYTES
"""Bytes of all headers of a checkpoint, read at most."""


def is_commit(revision: str) -> bool:
    """Whether it names one commit for ever: 40 hexadecimal digits."""
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None


def keep_answer(repo: str, revision: str, commit: str | None, files: Mapping[str, bytes | None]) -> None:
    """Remember what a branch or tag meant, and JSON files of the commit, whole; nothing where it is not known."""
    if commit is None:
        return
    for name, data in files.items():
        if data is not None:
            keep_document(repo, commit, name, data)
    if not is_commit(revision):
        _write(_ref(repo, revision), commit.encode())


def commit_of(repo: str, revision: str) -> str | None:
    """What `revision` meant when it was last asked for; itself where it is a commit."""
    if is_commit(revision):
        return revision
    path = _ref(repo, revision)
    found = read_bytes(path, limit=40).decode("ascii", "replace") if path.is_file() else ""
    return found if is_commit(found) else None


def keep_document(repo: str, commit: str, file: str, data: bytes) -> None:
    """Store a JSON file whole; does nothing for a branch, or where nothing can be written."""
    _keep(repo, commit, file, data)


def find_document(repo: str, commit: str, file: str) -> Path | None:
    """Where a JSON file that was kept lies."""
    path = _folder(repo) / commit / file
    return path if is_commit(commit) and path.is_file() else None


def keep_header(repo: str, commit: str, file: str, data: bytes) -> None:
    """Store the first bytes of `file`, its header; does nothing for a branch, or where nothing can be written."""
    _keep(repo, commit, f"{file}.header", data)


def find_header(repo: str, commit: str, file: str) -> Path | None:
    """Where a header that was kept lies."""
    return find_document(repo, commit, f"{file}.header")


def recall_header(repo: str, commit: str, file: str) -> tuple[TensorHeader, ...] | None:
    """The tensors of a header kept earlier, None if it was not; raises `SourceError` if it was damaged since."""
    path = find_header(repo, commit, file)
    if path is None:
        return None
    return parse_header(read_bytes(path, limit=PREFIX_BYTES + MAX_JSON_BYTES), file=file)


def keep_headers(repo: str, commit: str, index: str, headers: Mapping[str, bytes]) -> None:
    """Store the headers of all files of a checkpoint in shards, by their order of names, under their index's name."""
    _keep(repo, commit, f"{index}.headers", b"".join(headers[name] for name in sorted(headers)))


def recall_headers(
    repo: str, commit: str, index: str, names: Iterable[str]
) -> dict[str, tuple[TensorHeader, ...]] | None:
    """{file: its tensors} as kept; None if they were not. Raises `SourceError` if they were damaged since."""
    path = find_document(repo, commit, f"{index}.headers")
    if path is None:
        return None
    data, start = read_bytes(path, limit=_LONGEST_HEADERS), 0
    found = {}
    for name in sorted(names):
        end = start + PREFIX_BYTES + header_length(data[start : start + PREFIX_BYTES], file=name)
        found[name] = parse_header(data[start:end], file=name)
        start = end
    return found


def _folder(repo: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_ASSETS_CACHE, "anatomy", repo.replace("/", "--"))


def _ref(repo: str, revision: str) -> Path:
    return _folder(repo) / "refs" / f"{quote(revision, safe='')}.ref"


def _keep(repo: str, commit: str, name: str, data: bytes) -> None:
    if is_commit(commit):  # a branch or tag may mean something else tomorrow
        _write(_folder(repo) / commit / name, data)


def _write(path: Path, data: bytes) -> None:
    """The file, whole; nothing where it cannot be written: that costs the next call a request, nothing else."""
    unfinished = f"{path}.{os.getpid()}-{threading.get_ident()}"
    with suppress(OSError):
        os.makedirs(path.parent, exist_ok=True)
        try:
            with open(unfinished, "wb") as file:
                file.write(data)
            os.replace(unfinished, path)
        except OSError:
            os.unlink(unfinished)
