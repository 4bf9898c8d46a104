"""Out of memory as an answer: what the library said, and where the program stood."""

import re
import traceback
from collections.abc import Callable
from typing import Any

from anatomy.memory.timeline import Phase
from anatomy.profiling.measurement import Failure
from anatomy.units import GIB, KIB, MIB

_UNITS = {"bytes": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}
_ASKED = re.compile(r"(?:[Tt]ried to allocate) ([\d.]+) (bytes|KiB|MiB|GiB)")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a library could not get memory: torch on CUDA, torch on the CPU, Python, bitsandbytes' CUDA calls."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


_SIGNS = (
    "DefaultCPUAllocator: can't allocate memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def failure_of(
    error: BaseException, *, step: int, phase: Phase, path_of: Callable[[Any], str | None]
) -> Failure:
    """The failure that an out-of-memory error tells; `path_of` names a module, as far as its frames show one."""
    message = _message(error)
    asked = _ASKED.search(message)
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = (path_of(frame.f_locals.get("self")) for frame in reversed(frames))
    return Failure(
        step=step,
        phase=phase,
        module=next((path for path in modules if path), ""),
        requested_bytes=round(float(asked[1]) * _UNITS[asked[2]]) if asked else None,
        message=message.split(". ")[0],
    )


def _message(error: BaseException) -> str:
    """Its first line, without torch's note of the file that checked."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"^\[enforce fail at [^]]*\][^.]*\. ", "", line)
