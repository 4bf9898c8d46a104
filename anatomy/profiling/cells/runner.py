"""Many runs, one process each: a failure, a crash or a hang costs one cell, and a killed run goes on where it was.

The processes are forked from a server that has imported the libraries but not touched CUDA (`preload.py`), so a
cell starts in milliseconds with a GPU that no other cell has used.
"""

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import fmean

from anatomy.errors import SourceError
from anatomy.profiling.cells.endings import ending, last_lines
from anatomy.profiling.cells.forking import forking_context
from anatomy.profiling.cells.one_cell import CANNOT_USE_CUDA, LOG, named, run_cell
from anatomy.profiling.cells.results import Results, Task

PRELOAD = ("anatomy.profiling.cells.preloaded",)
RECORDS = "anatomy.profiling.cells.results:RECORDS"
CELL_TIMEOUT = 300.0
"""Seconds after which a cell is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a run of many cells is."""

    done: int
    """Cells that are finished, failed ones and those of earlier runs among them."""
    total: int
    running: tuple[str, ...]
    """Names of those at work."""
    seconds_left: float | None
    """At the pace so far; None before the first cell of this run is finished."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of each cell, by name, in the order of the grid."""

    finished: tuple[str, ...]
    """Run now, with a record."""
    failed: tuple[str, ...]
    """Run now, without one."""
    kept: tuple[str, ...]
    """Finished or failed by an earlier run, and not run again."""
    left: tuple[str, ...]
    """Not begun, for want of time."""


def run_cells(
    tasks: Sequence[Task],
    folder: Path,
    *,
    worker: str,
    kept: str = RECORDS,
    jobs: int = 1,
    threads: int | None = None,
    timeout: float = CELL_TIMEOUT,
    time_limit: float | None = None,
    retry_failed: bool = False,
    preload: Sequence[str] = PRELOAD,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Run every task that `folder` has no result of, and keep each result as it comes.

    `worker`: 'package.module:function', called in a process of its own with a task's definition; what it returns is kept
    in the Format that `kept` names, likewise.
    `jobs`: processes at a time. `threads`: for torch's CPU kernels in each. `timeout`: seconds for one cell.
    `time_limit`: seconds after which no cell is begun, nor one that would take longer at the pace so far; those at
    work are waited for. `retry_failed`: whether to run again what failed before.

    Raises SourceError for a folder that cannot be written, or in which another run is at work. On an exception,
    KeyboardInterrupt for one, the cells at work are stopped and left to the next run.
    """
    results = Results(folder, named(kept))
    with _alone_in(folder):
        results.sweep()
        waiting = [t for t in tasks if not results.has_run(t) and (retry_failed or not results.has_failed(t))]
        pool = _Pool(results, worker, kept, threads, timeout, tuple(preload))
        clock = _Clock(time_limit, jobs)
        names = {task.name for task in waiting}
        try:
            left = _all(pool, deque(waiting), clock, len(tasks), progress or _silence)
        finally:
            pool.stop()
    tried = [t for t in waiting if t.name not in left]
    return Outcome(
        finished=tuple(t.name for t in tried if results.has_run(t)),
        failed=tuple(t.name for t in tried if not results.has_run(t)),
        kept=tuple(t.name for t in tasks if t.name not in names),
        left=tuple(left),
    )


def _all(
    pool: "_Pool", waiting: deque[Task], clock: "_Clock", total: int, tell: Callable[[Progress], None]
) -> list[str]:
    """Run what waits, as far as there is time; the names of what was not begun."""
    tell(Progress(done=total - len(waiting), total=total, running=(), seconds_left=None))
    while True:
        while waiting and len(pool.running) < clock.jobs and clock.has_time():
            pool.begin(waiting.popleft())
        done = total - len(waiting) - len(pool.running)
        seconds = clock.left(len(waiting) + len(pool.running))
        tell(Progress(done=done, total=total, running=pool.names, seconds_left=seconds))
        if not pool.running:
            return [task.name for task in waiting]
        for ended in pool.wait():
            if ended.again:
                waiting.appendleft(ended.task)
            else:
                clock.durations.append(ended.seconds)


class _Clock:
    """The pace of a run, and its time limit."""

    def __init__(self, limit: float | None, jobs: int) -> None:
        self.jobs = max(1, jobs)
        self.limit = limit
        self.start = time.monotonic()
        self.durations: list[float] = []

    def has_time(self) -> bool:
        """Whether a cell that begins now will probably end before the limit."""
        if self.limit is None:
            return True
        return time.monotonic() - self.start + (self._mean or 0.0) < self.limit

    def left(self, cells: int) -> float | None:
        """Seconds that so many cells will take."""
        return None if self._mean is None else self._mean * cells / min(self.jobs, max(1, cells))

    @property
    def _mean(self) -> float | None:
        return fmean(self.durations) if self.durations else None


@dataclass(kw_only=True, slots=True)
class _Ended:
    task: Task
    seconds: float
    again: bool
    """Whether it was never really run."""


@dataclass(kw_only=True, slots=True)
class _Running:
    task: Task
    process: BaseProcess
    begun: float
    forked: bool
    """Whether from the server: several may be at work when the first finds that it cannot use CUDA."""


class _Pool:
    """The processes at work."""

    def __init__(
        self,
        results: Results,
        worker: str,
        kept: str,
        threads: int | None,
        timeout: float,
        preload: tuple[str, ...],
    ) -> None:
        self.results = results
        self.worker = worker
        self.kept = kept
        self.threads = threads
        self.timeout = timeout
        self.running: list[_Running] = []
        self.context = forking_context(preload)
        # Nobody writes to it: its end tells the children that this process ended, however it did.
        self.reader, self.writer = self.context.Pipe(duplex=False)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(running.task.name for running in self.running)

    @property
    def _forks(self) -> bool:
        return bool(self.context.get_start_method() != "spawn")

    def begin(self, task: Task) -> None:
        """Start a cell in a process of its own."""
        self.results.clear(task)
        process = self.context.Process(
            target=run_cell,
            args=(self.worker, task, self.results.folder, self.kept, self.threads, self.reader),
            daemon=True,
        )
        process.start()
        self.running.append(_Running(task=task, process=process, begun=time.monotonic(), forked=self._forks))

    def wait(self) -> Iterator[_Ended]:
        """Those that end next, or whose time is over."""
        deadline = min(running.begun for running in self.running) + self.timeout
        wait([r.process.sentinel for r in self.running], timeout=max(0.0, deadline - time.monotonic()))
        now = time.monotonic()
        for running in list(self.running):
            late = now - running.begun >= self.timeout
            if running.process.exitcode is not None or late:
                self.running.remove(running)
                yield self._end(running, late=running.process.exitcode is None)

    def stop(self) -> None:
        """End what is at work; it keeps nothing."""
        for running in self.running:
            _kill(running.process)
        self.running.clear()
        self.writer.close()
        self.reader.close()
        self.results.sweep()

    def _end(self, running: _Running, *, late: bool) -> _Ended:
        task, process = running.task, running.process
        if late:
            _kill(process)
        process.join()
        again = process.exitcode == CANNOT_USE_CUDA and running.forked
        if again:
            self.context = multiprocessing.get_context("spawn")
        elif not (self.results.has_run(task) or self.results.has_failed(task)):
            self._keep_ending(task, process, late)
        self._log(task, process).unlink(missing_ok=True)
        return _Ended(task=task, seconds=time.monotonic() - running.begun, again=again)

    def _keep_ending(self, task: Task, process: BaseProcess, late: bool) -> None:
        """The process left neither record nor reason: how it ended is the reason."""
        if late:
            reason = f"it did not end within {self.timeout:g} seconds"
            self.results.keep_failure(task, "timeout", reason)
            return
        last = last_lines(self._log(task, process))
        self.results.keep_failure(task, "crash", ending(process.exitcode), last)

    def _log(self, task: Task, process: BaseProcess) -> Path:
        return self.results.partial(task, LOG, process.pid)


def _kill(process: BaseProcess) -> None:
    process.kill()
    process.join()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """The folder, made where needed, for this process alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise SourceError(
            f"{folder} cannot be used: {error.strerror}.", hint="name another folder with -o"
        ) from error
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise SourceError(
            f"Another run is at work in {folder}.", hint="wait for it, or name another folder with -o"
        ) from None
    finally:
        os.close(handle)


def _silence(progress: Progress) -> None:
    """Progress for nobody."""
