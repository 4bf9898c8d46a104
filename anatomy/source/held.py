"""What this machine holds of a hub's repository: in huggingface_hub's cache, and kept of earlier answers.

The cache's layout is documented at https://huggingface.co/docs/huggingface_hub/guides/manage-cache; it is read here
because huggingface_hub's own function for it imports an HTTP client.
"""

from collections.abc import Collection
from pathlib import Path

from anatomy.blueprint import TensorHeader
from anatomy.source import kept
from anatomy.source.jsonfile import read_bytes
from anatomy.source.safetensors import read_header


def find_commit(repo: str, revision: str, names: Collection[str]) -> str | None:
    """The commit that `revision` means here, if any of the files `names` is held of it, or a header of one."""
    for commit in (_cached_commit(repo, revision), kept.commit_of(repo, revision)):
        if commit and any(
            find_file(repo, commit, name) or kept.find_header(repo, commit, name) for name in names
        ):
            return commit
    return None


def find_file(repo: str, commit: str, name: str) -> Path | None:
    """Where a file of the repository lies, as it was at a commit."""
    cached = _cache(repo) / "snapshots" / commit / name
    return cached if cached.is_file() else kept.find_document(repo, commit, name)


def recall_header(repo: str, commit: str, name: str) -> tuple[TensorHeader, ...] | None:
    """The tensors of a safetensors file that is held, or whose header is; raises `SourceError` if it is damaged."""
    cached = _cache(repo) / "snapshots" / commit / name
    return read_header(cached) if cached.is_file() else kept.recall_header(repo, commit, name)


def _cache(repo: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE, f"models--{repo.replace('/', '--')}")


def _cached_commit(repo: str, revision: str) -> str | None:
    if kept.is_commit(revision):
        return revision
    ref = _cache(repo) / "refs" / revision
    if ".." in ref.parts or not ref.is_file():
        return None
    found = read_bytes(ref, limit=41).decode("ascii", "replace").strip()
    return found if kept.is_commit(found) else None
