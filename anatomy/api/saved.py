"""Measured runs as files, to look at again anywhere."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anatomy.profiling.record import Record


def open_run(file: "str | PathLike[str]") -> "Record":
    """The run that `save_run` or `anatomy profile --save` kept. Raises SourceError for a file that is none."""
    from anatomy.profiling.record import load

    return load(Path(file))


def save_run(run: "Record", file: "str | PathLike[str]") -> None:
    """Keep what `profile` returned in one file, compressed where its name ends in .xz.

    Raises SourceError where it cannot be written.
    """
    from anatomy.profiling.record import save

    save(run, Path(file))
