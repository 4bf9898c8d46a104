"""A dress rehearsal for fine-tuning transformers: what a model is made of, what a run needs, whether it fits."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anatomy.integrations.loop import watch

__version__ = "0.1.0"
__all__ = ["__version__", "watch"]


def __getattr__(name: str) -> Any:
    """`anatomy.watch` needs torch: imported once it is asked for."""
    if name != "watch":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from anatomy.integrations.loop import watch

    return watch
