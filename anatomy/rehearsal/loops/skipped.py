"""A node of autograd's in the place of turns that are not made."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes


class SkippedOutputs(torch.autograd.Function):
    """Holds what turns keep for backward, and lets it go when backward comes to their outputs.

    What is kept is saved as any node saves, so that checkpointing drops it in forward and gets it back in recomputation.
    No gradient goes on from here: the turns at both ends send theirs, to which the others' would only be added.
    """

    @staticmethod
    def forward(
        ctx: Any, anchor: torch.Tensor, kept: torch.Tensor, outputs: torch.Tensor, undo: Callable[[], None]
    ) -> tuple[torch.Tensor, ...]:
        """The outputs that are stacked in `outputs`. `anchor` needs a gradient, so that there is a backward."""
        ctx.save_for_backward(kept)
        ctx.undo = undo
        return apart(outputs)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> tuple[None, ...]:
        """Says that backward has come here; what was kept goes when it is left."""
        _undo(ctx)
        return None, None, None, None


class SkippedStates(torch.autograd.Function):
    """The same on the way of a state from turn to turn, which it becomes a step of."""

    @staticmethod
    def forward(ctx: Any, state: torch.Tensor, kept: torch.Tensor, undo: Callable[[], None]) -> torch.Tensor:
        ctx.mark_dirty(state)
        ctx.save_for_backward(kept)
        ctx.undo = undo
        return state

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Any, ...]:
        _undo(ctx)
        return gradients[0], None, None


def _undo(ctx: Any) -> None:
    ctx.undo()
    del ctx.undo
    ctx.saved_tensors  # noqa: B018  asked for, so that a checkpoint gives it back


def unseen(*shape: int, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    """A meta tensor that no mode sees the birth of."""
    with _disable_current_modes():
        return torch.empty(*shape, dtype=dtype, device="meta")


def apart(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A tensor's parts along its first dimension, which no mode needs to see: their storage is known."""
    with _disable_current_modes():
        parts: tuple[torch.Tensor, ...] = tensor.unbind(0)
        return parts
