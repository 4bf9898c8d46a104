"""One at a time: what stands in for parts of torch and transformers while it works does so for the whole process."""

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")
_AT_WORK = RLock()


def alone(verb: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, of which (and of all such) one thread at a time is in: another one waits. It may call others of them."""

    @wraps(verb)
    def waiting(*given: _P.args, **named: _P.kwargs) -> _R:
        with _AT_WORK:
            return verb(*given, **named)

    return waiting
