"""PyTorch's LSTM where no kernel runs it, in Python, so that its loop over tokens can be rehearsed by its ends.

Restates aten/src/ATen/native/RNN.cpp of torch 2.13 (`lstm`, `_lstm_impl`, `apply_layer_stack`, `FullLayer`, `LSTMCell`) for
padded batches that go one way: the same operators in the same order, the same ones in place.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.nn.modules import rnn

State = tuple[Tensor, Tensor]


@contextmanager
def lstm_in_python(longest: int) -> Iterator[None]:
    """While active, nn.LSTM goes through Python over more than `longest` tokens of meta."""
    built_in = rnn._VF

    class Functions:
        """torch._VF with another `lstm`."""

        def __getattr__(self, name: str) -> Any:
            return _or(built_in.lstm, longest) if name == "lstm" else getattr(built_in, name)

    with patch.object(rnn, "_VF", Functions()):
        yield


def _or(built_in: Any, longest: int) -> Any:
    def chosen(*args: Any) -> Any:
        return lstm(*args) if _is_restated(args) and _tokens(args) > longest else built_in(*args)

    return chosen


def _is_restated(args: Sequence[Any]) -> bool:
    """Whether it is a padded batch on meta (a packed one has its batch sizes second), goes one way, and projects no states."""
    inputs, hx, weights, biases, layers, _, _, bidirectional, _ = args
    if torch._C._autograd._top_saved_tensors_default_hooks(True) is not None:
        return False  # a checkpoint: what it saves cannot be looked at without recomputing it
    if not isinstance(biases, bool) or isinstance(hx, Tensor) or inputs.device.type != "meta":
        return False
    return not bidirectional and len(weights) == (4 if biases else 2) * layers


def _tokens(args: Sequence[Any]) -> int:
    return int(args[0].shape[1 if args[-1] else 0])


def lstm(
    inputs: Tensor,
    hx: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    _bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """`torch.lstm` of a padded batch, by its own signature: outputs, last states, last cells."""
    of_each = 4 if biases else 2
    params = [weights[at : at + of_each] for at in range(0, len(weights), of_each)]
    states = list(zip(hx[0].unbind(0), hx[1].unbind(0), strict=True))
    x = inputs.transpose(0, 1) if batch_first else inputs
    last: list[State] = []
    for layer in range(layers):
        x, end = _layer(x, states[layer], params[layer])
        last.append(end)
        if dropout and train and layer < layers - 1:
            x = torch.dropout(x, dropout, True)
    hy, cy = torch.stack([h for h, _ in last], 0), torch.stack([c for _, c in last], 0)
    return (x.transpose_(0, 1) if batch_first else x), hy, cy


def _layer(x: Tensor, state: State, weights: Sequence[Tensor]) -> tuple[Tensor, State]:
    outputs, end = lstm_steps(x.unbind(0), state, weights)
    return torch.stack(outputs, 0), end


def lstm_steps(
    steps: Sequence[Tensor], state: State, weights: Sequence[Tensor]
) -> tuple[list[Tensor], State]:
    """One layer one way: its loop is a row of `table.TOKEN_LOOPS`, by these names."""
    hx, cx = state
    w_ih, w_hh, b_ih, b_hh = (*weights, None, None)[:4]
    step_outputs: list[Tensor] = []
    for at in range(len(steps)):
        hx, cx = _cell(steps[at], hx, cx, w_ih, w_hh, b_ih, b_hh)
        step_outputs.append(hx)
    return step_outputs, (hx, cx)


def _cell(
    x: Tensor,
    hx: Tensor,
    cx: Tensor,
    w_ih: Any,
    w_hh: Any,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
) -> State:
    gates = linear(hx, w_hh, b_hh).add_(linear(x, w_ih, b_ih))
    i, f, g, o = gates.unsafe_chunk(4, 1)
    i, f, g, o = i.sigmoid_(), f.sigmoid_(), g.tanh_(), o.sigmoid_()
    cy = (f * cx).add_(i * g)
    return o * cy.tanh(), cy
