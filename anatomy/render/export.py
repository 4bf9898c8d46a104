"""A replay for the tools that people already use, chosen by the ending of the file's name."""

from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath

from anatomy.errors import AnatomyError
from anatomy.memory.allocator import Replay

ENDINGS = {
    ".pickle": ("snapshot", "to_pickle"),
    ".json": ("trace_events", "to_json"),
}
"""Ending -> module and function. Only the chosen one is imported."""


def exporter(path: str) -> Callable[[Replay], bytes]:
    """What turns a replay into the content of such a file. Raises AnatomyError for any other ending."""
    ending = PurePath(path).suffix.lower()
    if ending not in ENDINGS:
        said = f"ends in {ending}" if ending else "has no ending"
        raise AnatomyError(
            f"{path} {said}, and an export is a .pickle or a .json file.",
            hint=".pickle is a PyTorch memory snapshot, .json a Chrome / Perfetto trace",
        )
    module, function = ENDINGS[ending]
    content: Callable[[Replay], bytes] = getattr(import_module(f"anatomy.render.{module}"), function)
    return content
