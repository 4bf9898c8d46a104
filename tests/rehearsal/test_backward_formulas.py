"""Formulas of backward that autograd runs differently for a mode or a meta tensor: the recorder sees the real ones.

The truth is torch.profiler's memory events on the CPU, with no mode active.
"""

from collections.abc import Callable

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from anatomy.memory.allocator import replay
from anatomy.rehearsal.attribution import Attribution
from anatomy.rehearsal.cuda import Stage, Target
from anatomy.rehearsal.ledger import Ledger
from anatomy.rehearsal.recorder import Recorder

SIDE = 64
FORMULAS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "gather": lambda x, i: x.gather(1, i),
    "take_along_dim": lambda x, i: torch.take_along_dim(x, i, 1),
    "index": lambda x, i: x[i[0]],
    "index_select": lambda x, i: x.index_select(0, i[0]),
    "topk": lambda x, i: x.topk(2)[0],
    "sort": lambda x, i: x.sort()[0],
    "max": lambda x, i: x.max(1)[0],
    "fan-in of two": lambda x, i: x.gather(1, i) + x[i[0]],
    "none of them": lambda x, i: (x * x).cumsum(1),
}


def unwatched(formula: Callable[..., torch.Tensor]) -> int:
    """The most that backward takes, by the profiler."""
    x, i = torch.randn(SIDE, SIDE, requires_grad=True), torch.zeros(SIDE, SIDE, dtype=torch.int64)
    out = formula(x, i)
    grad = torch.ones_like(out)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        torch.autograd.backward(out, grad)
    level = peak = 0
    for event in sorted(profiler.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            level += event.nbytes()
            peak = max(peak, level)
    return peak


def recorded(formula: Callable[..., torch.Tensor], device: str) -> int:
    x = torch.empty(SIDE, SIDE, device=device, requires_grad=True)
    out = formula(x, torch.zeros(SIDE, SIDE, dtype=torch.int64, device=device))
    grad = torch.ones_like(out)
    ledger = Ledger()
    attribution = Attribution(lambda inside: None, lambda inside: None)
    with Recorder(ledger, attribution, Stage(target=Target(name="cpu")), device):
        torch.autograd.backward(out, grad)
    return replay(ledger.timeline(lambda path: "", {})).peak_requested_bytes


@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("name", FORMULAS)
def test_backward_takes_what_it_takes_unwatched(name: str, device: str) -> None:
    # A kernel's index arithmetic is scratch that no mode sees.
    assert unwatched(FORMULAS[name]) == pytest.approx(recorded(FORMULAS[name], device), rel=0.05)


def test_a_function_of_the_users_own_is_left_as_it_is() -> None:
    """Python code that calls scatter_add out of place does so unwatched as well."""

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, i):
            ctx.save_for_backward(i)
            return x.gather(1, i)

        @staticmethod
        def backward(ctx, grad):
            (i,) = ctx.saved_tensors
            zeros = grad.new_zeros(SIDE, SIDE)
            return zeros.scatter_add(1, i, grad), None

    assert unwatched(Own.apply) == recorded(Own.apply, "meta") == 2 * SIDE * SIDE * 4
