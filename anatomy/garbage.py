"""Python's search for cycles that nobody holds, put off."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Look for no cycles meanwhile.

    When Python does depends on everything else it did, and a rehearsal's record should not; and a command that reads
    headers makes a tenth of its time's worth of looking, and no garbage.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
