"""Ranges: names that tell torch.profiler which phase, module or loss is at work. Hooks only, no dispatch mode."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.profiler import record_function

from anatomy.rehearsal.attribution import forward_hooks

PREFIX = "anatomy"
PHASE, MODULE, LOSS, LEFT = "phase", "module", "loss", "left"


class Ranges:
    """While entered, every module and loss that runs is a named range in the profile.

    A range's name carries the sequence number that the next autograd node will get, so that backward's work can be
    traced to the module that made its node, as `rehearsal.attribution` does: 'anatomy|module|1042|model.layers.0'.
    """

    def __init__(self) -> None:
        self._paths: dict[int, str] = {}
        self._open: list[Any] = []
        self._hooks: list[Any] = []
        self._phases = 0

    def watch(self, root: nn.Module) -> None:
        """Learn the names of `root`'s modules."""
        self._paths = {id(module): path for path, module in root.named_modules()}

    def phase(self) -> None:
        """A phase begins; ranges of phases are numbered in their order."""
        with record_function(_name(PHASE, self._phases, "")):
            self._phases += 1

    def wrap_loss(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` as a range of a loss."""

        def loss(*args: Any, **kwargs: Any) -> Any:
            self._begin(LOSS, "")
            try:
                return function(*args, **kwargs)
            finally:
                self._end()

        return loss

    def __enter__(self) -> "Ranges":
        self._hooks = forward_hooks(self._enter, self._leave)
        return self

    def __exit__(self, *exc: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _enter(self, module: nn.Module, _inputs: Any) -> None:
        if isinstance(module, nn.modules.loss._Loss):
            self._begin(LOSS, "")
        self._begin(MODULE, self._paths.get(id(module), ""))

    def _leave(self, module: nn.Module, _inputs: Any, _outputs: Any) -> None:
        self._end()
        if isinstance(module, nn.modules.loss._Loss):
            self._end()

    def _begin(self, kind: str, path: str) -> None:
        running = record_function(_name(kind, _next_node(), path))
        running.__enter__()
        self._open.append(running)

    def _end(self) -> None:
        with record_function(_name(LEFT, _next_node(), "")):
            pass
        self._open.pop().__exit__(None, None, None)


def _next_node() -> int:
    return int(torch.autograd._get_sequence_nr())


def _name(kind: str, number: int, path: str) -> str:
    return f"{PREFIX}|{kind}|{number}|{path}"
