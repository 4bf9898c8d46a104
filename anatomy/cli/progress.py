"""What is going on, on stderr and only for a person: a spinner with the stage, and silence from the libraries."""

import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from anatomy.cli.errors import debugging
from anatomy.cli.streams import is_terminal


@contextmanager
def working(*, show: bool) -> Iterator[Callable[[str], None]]:
    """A function to tell stages to. They appear while stderr is a terminal and `show` is true, then vanish.

    A stage that counts ('timing step 2 of 5') has a bar.
    Meanwhile the libraries' warnings and logs are not shown, unless ANATOMY_DEBUG asks for them.
    """
    with _quiet():
        if not (show and is_terminal(sys.stderr)):
            yield lambda stage: None
            return
        with _lines() as tell:
            yield tell


@contextmanager
def _lines() -> Iterator[Callable[[str], None]]:
    """A line with a spinner, and a bar while something is counted."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn
    from rich.table import Column
    from rich.text import Text

    class Stage(SpinnerColumn):
        """The spinner, and the stage's words; nothing in them is markup."""

        def render(self, task: Any) -> Any:
            spinner: Any = super().render(task)
            return Text.assemble(spinner, f" {task.description} ...")

    class Counted(BarColumn):
        """A bar for what is counted alone."""

        def render(self, task: Any) -> Any:
            return Text() if task.total is None else super().render(task)

    columns = Stage("dots", table_column=Column(no_wrap=True)), Counted(bar_width=24)
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        line = progress.add_task("starting", total=None)

        def tell(stage: str) -> None:
            done, total = _counted(stage)
            progress.tasks[line].total = total  # `reset` takes None for "as before"
            progress.reset(line, description=stage, completed=done)

        yield tell


def _counted(stage: str) -> tuple[int, int | None]:
    """(finished before it, of how many): 'timing step 2 of 5' -> (1, 5); (0, None) for what is not counted."""
    found = re.search(r"(\d+) of (\d+)$", stage)
    return (int(found[1]) - 1, int(found[2])) if found else (0, None)


_KINETO_SILENT = "6"
"""torch.profiler's library writes on stderr when it starts and stops, at levels up to 5 (libkineto/include/ILoggerObserver.h)."""


@contextmanager
def _quiet() -> Iterator[None]:
    if debugging():
        yield
        return
    os.environ.setdefault("KINETO_LOG_LEVEL", _KINETO_SILENT)
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)
