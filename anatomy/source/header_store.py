"""Headers that came from the hub, kept, so that the second answer is the first one, also offline.

They lie beside huggingface_hub's own cache, in the assets folder that it gives to other libraries
(HF_ASSETS_CACHE), by repository, commit and file. A commit never changes, so nothing here grows stale.
"""

import os
import re
from pathlib import Path

from anatomy.blueprint import TensorHeader
from anatomy.source.jsonfile import MAX_JSON_BYTES, read_bytes
from anatomy.source.safetensors import PREFIX_BYTES, parse_header


def keep(repo: str, commit: str, file: str, data: bytes) -> None:
    """Store the first bytes of `file`, its header; does nothing for a branch, or where nothing can be written."""
    path = _place(repo, commit, file)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except OSError:
        return  # a read-only or full cache costs the next call a request, nothing else


def recall(repo: str, commit: str, file: str) -> tuple[TensorHeader, ...] | None:
    """The tensors of a header kept earlier, None if it was not; raises `SourceError` if it was damaged since."""
    path = _place(repo, commit, file)
    if path is None or not path.is_file():
        return None
    return parse_header(read_bytes(path, limit=PREFIX_BYTES + MAX_JSON_BYTES), file=file)


def _place(repo: str, commit: str, file: str) -> Path | None:
    """Where the header lies; None for a branch or tag, which may mean something else tomorrow."""
    from huggingface_hub import constants

    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        return None
    return Path(constants.HF_ASSETS_CACHE, "anatomy", repo.replace("/", "--"), commit, f"{file}.header")
