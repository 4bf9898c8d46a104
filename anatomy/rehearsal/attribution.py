"""Which module is at work: in forward, in recomputation, and in backward.

In forward a stack of module hooks knows. In backward no module runs; the autograd node that does was made in
forward, and its sequence number says when, hence by which module.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as nn_module

from anatomy.memory.timeline import Phase

_NO_SEQUENCE = 2**63
"""Sequence numbers at or above this mark nodes without a place in forward (AccumulateGrad: 2**64 - 1)."""


OUTSIDE = ""
"""What the training step does itself, outside every module: moving the batch, scaling the loss."""


class Attribution:
    """Follows a model's forward by hooks; answers `where()` at any moment.

    `on_stack` is called with True when the first module is entered and with False when the last is left: inside
    backward that is one recomputation. `on_loss` is called likewise around a loss (a module of torch.nn's losses).
    """

    def __init__(self, on_stack: Callable[[bool], None], on_loss: Callable[[bool], None]) -> None:
        self._on_stack = on_stack
        self._on_loss = on_loss
        self._paths: dict[int, str] = {}
        self._parameter_owner: dict[int, str] = {}
        self._stack: list[str] = []
        self._sequence: list[int] = [0]
        self._owner: list[tuple[str, bool]] = [(OUTSIDE, False)]
        self._in_loss = False
        self._hooks: list[Any] = []

    def watch(self, root: nn.Module) -> None:
        """Learn the names of `root`'s modules and parameters (again, when a method has changed them)."""
        self._paths = {id(m): path for path, m in root.named_modules()}
        self._parameter_owner = {id(p): path.rpartition(".")[0] for path, p in root.named_parameters()}

    def path_of(self, module: Any) -> str | None:
        """Where a module stands in the watched model, or None."""
        return self._paths.get(id(module)) if isinstance(module, nn.Module) else None

    def owner_of(self, parameter: Any) -> str:
        """Path of the module that holds a parameter of the watched model; OUTSIDE for any other tensor."""
        return self._parameter_owner.get(id(parameter), OUTSIDE)

    def __enter__(self) -> "Attribution":
        self._hooks = forward_hooks(self._enter, self._leave)
        return self

    def __exit__(self, *exc: object) -> None:
        for hook in self._hooks:
            hook.remove()

    @property
    def in_module(self) -> bool:
        """Whether some module runs forward now: in backward, that is a recomputation."""
        return bool(self._stack)

    def where(self) -> tuple[str, bool]:
        """Path of the module at work (OUTSIDE where there is none) and whether this is a loss's doing."""
        if self._stack:
            return self._stack[-1], self._in_loss
        node = torch._C._current_autograd_node()
        if node is None:
            return OUTSIDE, self._in_loss
        number = node._sequence_nr()
        if number >= _NO_SEQUENCE:
            variable = getattr(node, "variable", None)
            return self._parameter_owner.get(id(variable), OUTSIDE), False
        return self._owner[bisect_right(self._sequence, number) - 1]

    def loss(self, inside: bool) -> None:
        """A loss function is entered or left; its autograd nodes are remembered as the loss's."""
        self._in_loss = inside
        self._note()
        self._on_loss(inside)

    def wrap_loss(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, with everything it does attributed to the loss."""

        def loss(*args: Any, **kwargs: Any) -> Any:
            self.loss(True)
            try:
                return function(*args, **kwargs)
            finally:
                self.loss(False)

        return loss

    def _enter(self, module: nn.Module, _inputs: Any) -> None:
        path = self._paths.get(id(module))
        if isinstance(module, nn.modules.loss._Loss):
            self.loss(True)
        # A module made on the fly has no name of its own: its work belongs to whoever called it.
        self._stack.append(path if path is not None else (self._stack[-1] if self._stack else OUTSIDE))
        if len(self._stack) == 1:
            self._on_stack(True)
        self._note()

    def _leave(self, module: nn.Module, _inputs: Any, _outputs: Any) -> None:
        self._stack.pop()
        if isinstance(module, nn.modules.loss._Loss):
            self.loss(False)
        if not self._stack:
            self._on_stack(False)
        self._note()

    def _note(self) -> None:
        """From the next autograd node on, nodes belong to the current module."""
        number = torch.autograd._get_sequence_nr()
        owner = (self._stack[-1] if self._stack else OUTSIDE, self._in_loss)
        if self._sequence[-1] == number:
            self._owner[-1] = owner
        else:
            self._sequence.append(number)
            self._owner.append(owner)


def forward_hooks(enter: Callable[..., None], leave: Callable[..., None]) -> list[Any]:
    """Handles of hooks around every module's forward, to be removed afterwards."""
    return [
        nn_module.register_module_forward_pre_hook(enter),
        # always_call: a recomputation ends early, by an exception, once it has what backward needs.
        nn_module.register_module_forward_hook(leave, always_call=True),
    ]


def phase_of_loss(inside: bool) -> Phase:
    """The phase that a loss's beginning or end leads to."""
    return Phase.LOSS if inside else Phase.FORWARD
