"""Whether and as whom the hub is asked, for as long as one command runs: huggingface_hub's own settings, and no others.

Settings of the process reach whatever else reads them: transformers, and processes that are started.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_owner_of(token: str) -> Iterator[None]:
    """Ask with this token, whatever token this machine has."""
    with _set("HF_TOKEN", token):
        yield


@contextmanager
def without_network() -> Iterator[None]:
    """Answer from this machine alone."""
    from huggingface_hub import constants  # it reads the environment once, when it is imported

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        with _set("HF_HUB_OFFLINE", "1"):
            yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def _set(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
