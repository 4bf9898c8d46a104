"""What is going on, on stderr and only for a person: a spinner with the stage, and silence from the libraries."""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anatomy.cli.errors import debugging
from anatomy.cli.streams import is_terminal


@contextmanager
def working(*, show: bool) -> Iterator[Callable[[str], None]]:
    """A function to tell stages to. They appear while stderr is a terminal and `show` is true, then vanish.

    Meanwhile the libraries' warnings and logs are not shown, unless ANATOMY_DEBUG asks for them.
    """
    with _quiet():
        if not (show and is_terminal(sys.stderr)):
            yield lambda stage: None
            return
        from rich.console import Console
        from rich.text import Text

        with Console(stderr=True).status(Text("starting")) as status:
            yield lambda stage: status.update(Text(f"{stage} ..."))


@contextmanager
def _quiet() -> Iterator[None]:
    if debugging():
        yield
        return
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)
