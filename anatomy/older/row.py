"""One thing that an older library lacks."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What is missing, and its stand-in."""

    what: str
    """The name that is looked for, or what it does."""
    is_missing: Callable[[], bool]
    supply: Callable[[], None]
