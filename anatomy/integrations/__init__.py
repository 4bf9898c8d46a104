"""A plan, and what was measured, inside the user's own training: transformers' Trainer, or a loop written by hand."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anatomy.integrations.loop import Watch, watch
    from anatomy.integrations.trainer import MemoryCallback

__all__ = ["MemoryCallback", "Watch", "watch"]

_HOMES = {"MemoryCallback": "trainer", "Watch": "loop", "watch": "loop"}


def __getattr__(name: str) -> Any:
    """Both need torch, the callback transformers too: imported once they are asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
