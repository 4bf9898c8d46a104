"""One cell, in a process of its own. It ends with a record, a reason, or abruptly; the parent finds out which."""

import faulthandler
import os
import signal
import sys
import threading
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import extract_tb
from typing import Any

from anatomy.errors import AnatomyError
from anatomy.profiling.cells.results import FailureKind, Results, Task

LOG = ".log"
CANNOT_USE_CUDA = 75
"""Exit code: the process was forked from one that had started CUDA."""
_FRAMES = 12


def run_cell(
    worker: str, task: Task, folder: Path, kept: str, threads: int | None, parent: Connection
) -> None:
    """Call `worker` ('package.module:function') with the task's definition and keep what it returns.

    `kept` names the Format in which it is kept, likewise.
    `threads`: of torch's CPU kernels, None for torch's choice. `parent`: a pipe that only the parent can write
    to, and never does: it ends when the parent does, and so does this process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent as well, which decides
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    results = Results(folder, named(kept))
    _write_into(results.partial(task, LOG))
    _check_fork()
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    try:
        results.keep_run(task, named(worker)(task.definition))
    except BaseException as error:
        results.keep_failure(task, _kind(error), _reason(error), _frames(error))


def named(dotted: str) -> Any:
    """'package.module:name' -> what has the name."""
    module, _, name = dotted.partition(":")
    return getattr(import_module(module), name)


def _end_with(parent: Connection) -> None:
    parent.poll(None)
    os._exit(1)


def _write_into(log: Path) -> None:
    """What the libraries print goes into a file; a crash leaves Python's stack there."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    faulthandler.enable(2)


def _check_fork() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda._is_in_bad_fork():
        os._exit(CANNOT_USE_CUDA)


def _kind(error: BaseException) -> FailureKind:
    # torch.OutOfMemoryError, and its older name torch.cuda.OutOfMemoryError.
    out = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return "out of memory" if out else "error"


def _reason(error: BaseException) -> str:
    if isinstance(error, AnatomyError):
        return error.message
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{type(error).__name__}: {first}"


def _frames(error: BaseException) -> tuple[str, ...]:
    """Where it happened; files by name alone, for the folders of this machine are nobody's business."""
    frames = extract_tb(error.__traceback__)[-_FRAMES:]
    return tuple(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames)
