"""`anatomy.watch` around loops written by hand."""

import logging
from typing import Any

import pytest
import torch
from families import make
from torch import nn

import anatomy
from anatomy.errors import RehearsalError
from anatomy.integrations.measured import OnCpu
from anatomy.memory.timeline import Phase


def ids(seed: int, length: int = 32) -> torch.Tensor:
    return torch.randint(0, 500, (2, length), generator=torch.Generator().manual_seed(seed))


def set_up() -> tuple[Any, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = make("llama", "cpu").train()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def loop(model: Any, optimizer: Any, steps: int = 3) -> list[float]:
    losses = []
    for step in range(steps):
        loss = model(input_ids=ids(step), labels=ids(step)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def test_the_first_batch_makes_the_plan() -> None:
    model, optimizer = set_up()
    with anatomy.watch(model, optimizer) as w:
        assert w.predicted is None
        loop(model, optimizer)
        planned = w.predicted
        assert planned is not None
        assert isinstance(w.measured, OnCpu)
    assert w.predicted is planned
    assert w.measured == w.measured, "the last reading stays"
    assert w.difference is None, "host memory and a GPU's do not subtract"
    assert planned.total_parameters == sum(p.numel() for p in model.parameters())
    assert not model._forward_pre_hooks
    for words in ("peak allocated", "peak reserved", "another quantity", planned.peak_words):
        assert words in str(w)
    assert str(w) == w.report()


def test_the_loop_stays_what_it_is_to_the_bit() -> None:
    bare_model, bare_optimizer = set_up()
    bare = loop(bare_model, bare_optimizer)
    after_bare = torch.rand(())
    model, optimizer = set_up()
    with anatomy.watch(model, optimizer) as w:
        watched = loop(model, optimizer)
    assert w.predicted is not None
    assert watched == bare
    assert torch.rand(()) == after_bare, "no random number was drawn"
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), bare_model.parameters(), strict=True))


def test_planning_ahead_is_the_same_plan() -> None:
    model, optimizer = set_up()
    ahead = anatomy.watch(model, optimizer).plan(input_ids=ids(0), labels=ids(0))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not optimizer.state
    with anatomy.watch(model, optimizer) as w:
        loop(model, optimizer, steps=1)
    assert w.predicted == ahead


def test_an_evaluation_first_is_not_the_training() -> None:
    model, optimizer = set_up()
    with anatomy.watch(model, optimizer) as w:
        with torch.no_grad():
            model(input_ids=ids(0, 8))
        assert w.predicted is None
        loop(model, optimizer, steps=1)
    assert w.predicted is not None
    assert w.predicted.footprint.resting[Phase.LOAD] > 0


def test_autocast_around_the_model_is_seen() -> None:
    model, optimizer = set_up()
    plain = anatomy.watch(model, optimizer).plan(input_ids=ids(0), labels=ids(0))
    with anatomy.watch(model, optimizer) as w, torch.autocast("cpu", dtype=torch.bfloat16):
        model(input_ids=ids(0), labels=ids(0)).loss.backward()
        assert torch.is_autocast_enabled("cpu"), "the user's autocast goes on"
    # Low-precision copies of the weights are kept until autocast ends.
    assert w.predicted.footprint.phase_peaks[Phase.FORWARD] != plain.footprint.phase_peaks[Phase.FORWARD]


def test_longer_batches_and_accumulation_need_more() -> None:
    model, optimizer = set_up()

    def peak(length: int, **settings: Any) -> int:
        batch = {"input_ids": ids(0, length), "labels": ids(0, length)}
        forecast = anatomy.watch(model, optimizer, **settings).plan(**batch)
        return forecast.footprint.phase_peaks[Phase.FORWARD]

    gradients = sum(4 * parameter.numel() for parameter in model.parameters())
    assert peak(64) > peak(32)
    assert peak(32, grad_accum=2) - peak(32) > 0.8 * gradients


class Regressor(nn.Module):
    """A model of the user's own: no config, no loss, a mask that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 1))
        self.scale = torch.ones(64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x * self.scale)


def test_a_model_of_ones_own_with_a_loss_outside() -> None:
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batch, targets = torch.randn(32, 64), torch.randn(32, 1)

    def loss(outputs: torch.Tensor) -> torch.Tensor:
        return nn.functional.mse_loss(outputs, torch.zeros(32, 1, device=outputs.device))

    with anatomy.watch(model, optimizer, loss=loss) as w:
        nn.functional.mse_loss(model(batch), targets).backward()
        optimizer.step()
    parameters = 64 * 256 + 256 + 256 + 1
    assert w.predicted.trainable_parameters == parameters
    assert w.predicted.footprint.resting[Phase.LOAD] == pytest.approx(4 * (parameters + 64), abs=512 * 5)


def test_without_a_loss_there_is_one_warning_and_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with anatomy.watch(model, optimizer) as w:
        for _ in range(2):
            model(torch.randn(32, 64)).sum().backward()
    ours = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert ours == ["no memory plan: the model's outputs have no loss, so its training cannot be rehearsed."]
    assert w.predicted is None
    assert "no prediction was made" in str(w)
    with pytest.raises(RehearsalError, match="no loss"):
        anatomy.watch(model, optimizer).plan(torch.randn(32, 64))


def test_an_error_in_the_loop_is_the_users() -> None:
    model, optimizer = set_up()
    with pytest.raises(ZeroDivisionError), anatomy.watch(model, optimizer):
        1 / 0  # noqa: B018
    assert not model._forward_pre_hooks
