"""One optimizer for each parameter, stepped as soon as its gradient has been accumulated.

What torchtune calls `optimizer_in_bwd` and PyTorch's tutorial "How to save memory by fusing the optimizer step into the
backward pass" shows: a gradient lives from its accumulation to its parameter's update, so there is never more than
a few of them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch


class InBackward(torch.optim.Optimizer):
    """Steps in hooks on the parameters; its own `step` is there for who calls one.

    `groups` are parameter groups; `make` makes an optimizer over one group of one parameter.
    """

    def __init__(self, groups: list[dict[str, Any]], make: Callable[[dict[str, Any]], Any]) -> None:
        super().__init__(groups, {})
        self.optimizer_dict = {
            parameter: make({**group, "params": [parameter]})
            for group in groups
            for parameter in group["params"]
        }
        for parameter in self.optimizer_dict:
            parameter.register_post_accumulate_grad_hook(self._update)

    def _update(self, parameter: torch.Tensor) -> None:
        optimizer = self.optimizer_dict[parameter]
        optimizer.step()
        optimizer.zero_grad()

    def step(self, closure: Any = None) -> None:
        """Nothing is left to do."""

    def train(self) -> None:
        """As schedule-free optimizers want before a step."""
        for optimizer in self.optimizer_dict.values():
            if hasattr(optimizer, "train"):
                optimizer.train()


def held_by(optimizer: Any) -> Iterator[Any]:
    """The optimizers inside one: one for each parameter where it updates in backward (transformers' layer-wise dummy
    names them as we do), those of its groups where it is made of several; else itself.
    """
    parts = getattr(optimizer, "optimizer_dict", None) or getattr(optimizer, "optimizers", None)
    if parts is None:
        yield optimizer
        return
    for part in parts.values() if isinstance(parts, dict) else parts:
        yield from held_by(part)
