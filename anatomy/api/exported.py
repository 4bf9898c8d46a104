"""Timelines as files for other tools."""

from typing import TYPE_CHECKING

from anatomy.errors import AnatomyError

if TYPE_CHECKING:
    from anatomy.memory.allocator import Replay


def check_export(path: str) -> None:
    """Before the work: raises AnatomyError when `export` does not know what a file of this name would be."""
    from anatomy.render.export import exporter

    exporter(path)


def export(replay: "Replay", path: str) -> None:
    """Write a replay (a plan has one; `anatomy.memory.allocator.replay` makes one of any timeline) for other tools.

    `path`: ends in .pickle for a PyTorch memory snapshot (pytorch.org/memory_viz), in .json for trace events
    (ui.perfetto.dev). Raises AnatomyError for any other ending, and for a file that cannot be written.
    """
    from pathlib import Path

    from anatomy.render.export import exporter

    content = exporter(path)(replay)
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise AnatomyError(
            f"{path} cannot be written: {error.strerror}.", hint="export to another file"
        ) from error
