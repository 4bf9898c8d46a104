"""A program run on meta tensors aside, unrecorded, because one fact about its outcome is wanted before the rehearsal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from anatomy.answers.literals import literals_known
from anatomy.answers.questions import Questions


@contextmanager
def aside() -> Iterator[None]:
    """Meanwhile programs run on meta tensors without gradients, and nothing is written down."""
    with torch.no_grad(), literals_known(), _Aside():
        yield


class _Aside(TorchDispatchMode):
    """Operators on meta tensors, with the questions that they ask of their data answered; nothing is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.questions = Questions()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.questions.run(func, args, kwargs or {})


def to_meta(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch's tensors on meta; call it under `aside()`, which then knows their values."""
    return {name: t.to("meta") if isinstance(t, torch.Tensor) else t for name, t in batch.items()}
