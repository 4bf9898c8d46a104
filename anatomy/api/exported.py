"""Timelines as files for other tools."""

from os import PathLike, fspath
from typing import TYPE_CHECKING

from anatomy.errors import AnatomyError

if TYPE_CHECKING:
    from anatomy.memory.allocator import Replay


def check_export(path: str) -> None:
    """Before the work: raises AnatomyError when `export` does not know what a file of this name would be."""
    from anatomy.render.export import exporter

    exporter(path)


def export(replay: "Replay", path: "str | PathLike[str]") -> None:
    """Write a replay (a plan has one; `anatomy.memory.allocator.replay` makes one of any timeline) for other tools.

    `path`: ends in .pickle for a PyTorch memory snapshot (pytorch.org/memory_viz), in .json for trace events
    (ui.perfetto.dev). Raises AnatomyError for any other ending, for a file that cannot be written, and for what is no
    replay.
    """
    from pathlib import Path

    from anatomy.memory.allocator import Replay
    from anatomy.render.export import exporter

    path = fspath(path)
    if not isinstance(replay, Replay):
        raise AnatomyError(
            f"{type(replay).__name__} is no replay of a run.",
            hint="anatomy.export(plan.replay, 'steps.json')",
        )
    content = exporter(path)(replay)
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise AnatomyError(
            f"{path} cannot be written: {error.strerror}.", hint="export to another file"
        ) from error
