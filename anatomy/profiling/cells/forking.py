"""The server that cells are forked from."""

import multiprocessing
import os
from collections.abc import Sequence
from multiprocessing import forkserver
from typing import Any

_SAFE_PATH = "PYTHONSAFEPATH"


def forking_context(preload: Sequence[str]) -> Any:
    """multiprocessing's context with a fork server that has imported `preload`; one that spawns where none can fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    # The server is started by `python -c`, which would look for libraries in the working directory first.
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
    return context
