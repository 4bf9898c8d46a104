"""Files of a folder that stay in it: names come from files that nobody need trust, and links lead anywhere."""

import os
from pathlib import Path

from anatomy.errors import SourceError

_BLOBS = ("snapshots", "blobs")
"""huggingface_hub's cache: snapshots/<commit>/<file> links to blobs/<digest>, both in one repository's folder."""


def inside(folder: Path, name: str) -> Path:
    """The file called `name` in `folder`, there or not; raises `SourceError` for one that leads out of the folder.

    `folder` itself may be a link: the user named it. Links within it are followed where they stay in it, or lead
    from a snapshot of huggingface_hub's cache to the blobs beside.
    """
    path = folder / name
    real, home = os.path.realpath(path), os.path.realpath(folder)
    if any(_lies_in(real, place) for place in (home, *_beside(home))):
        return path
    raise SourceError(
        f"{path} leads out of its folder, to {real}, so it is not read.",
        "put the file itself there, or name the folder that it is in",
    )


def _beside(home: str) -> tuple[str, ...]:
    """Where the links of a snapshot in huggingface_hub's cache lead."""
    snapshots = os.path.dirname(home)
    repository = os.path.dirname(snapshots)
    in_cache = os.path.basename(snapshots) == _BLOBS[0] and os.path.basename(repository).startswith(
        "models--"
    )
    return (os.path.join(repository, _BLOBS[1]),) if in_cache else ()


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
