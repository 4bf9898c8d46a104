"""bitsandbytes 0.43, with meta tensors.

It has no operators that torch could see through, but ctypes calls from Python functions which allocate with torch
before they call. Its own Python runs here, for what it allocates; the calls do nothing.
"""

from importlib.util import find_spec
from types import FunctionType
from typing import Any

from anatomy.older.row import Row


class _NoLibrary:
    """A native library whose every function returns at once."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def _lacks_operators() -> bool:
    if find_spec("bitsandbytes._ops") is not None:
        return False
    from bitsandbytes import functional

    return not isinstance(functional.lib, _NoLibrary)


def _run_without_device() -> None:
    from bitsandbytes import functional

    functional.lib = _NoLibrary()
    for name in ("is_on_gpu", "pre_call", "post_call", "get_ptr"):
        setattr(functional, name, lambda *_: None)
    # In quantize_4bit alone the device's name is compared in place.
    functional.quantize_4bit = _renamed_device(functional.quantize_4bit)


def _renamed_device(function: Any) -> Any:
    """`function`, asking for 'meta' wherever it asked for 'cuda'."""
    code = function.__code__
    constants = tuple("meta" if constant == "cuda" else constant for constant in code.co_consts)
    return FunctionType(
        code.replace(co_consts=constants), function.__globals__, function.__name__, function.__defaults__
    )


ROWS = (
    Row(
        what="bitsandbytes' operators for meta tensors",
        is_missing=_lacks_operators,
        supply=_run_without_device,
    ),
)
