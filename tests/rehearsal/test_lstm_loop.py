"""PyTorch's LSTM rehearsed by the ends of its loop is, to the byte, what PyTorch's own code makes of it in full."""

import pytest

from anatomy.api.planned import target_of
from anatomy.architecture.own import build_own
from anatomy.rehearsal.loops import turns
from anatomy.rehearsal.own_cast import OwnCast
from anatomy.rehearsal.rehearse import rehearse_cast
from anatomy.training.recipe import Recipe

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 32)
        self.lstm = nn.LSTM(32, 64, batch_first=True, {options})
        self.out = nn.Linear(64 * (2 if self.lstm.bidirectional else 1), 50)

    def forward(self, ids):
        logits = self.out(self.lstm(self.embed(ids))[0])
        return nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten())

def build():
    return Net()

def inputs(batch_size, seq_len):
    return torch.zeros(batch_size, seq_len, dtype=torch.long)
"""


@pytest.fixture
def rehearsed(tmp_path):
    def run(options, tokens, precision="fp32"):
        file = tmp_path / "net.py"
        file.write_text(NET.format(options=options), encoding="utf-8")
        choices = {
            "precision": precision,
            "gradient_checkpointing": "off",
            "seq_len": tokens,
            "batch_size": 2,
        }
        cast = OwnCast(build_own(f"{file}:build"), Recipe(method="full", **choices), "inputs")
        return rehearse_cast(cast, component_of=lambda _: "", target=target_of(None)[1])

    return run


def levels(rehearsal):
    """(step, phase) -> bytes at its end, and the most during it."""
    level, found = 0, {}
    for event in rehearsal.timeline.events():
        place = event.step, event.phase
        level += event.block.bytes if event.born else -event.block.bytes
        found[place] = level, max(level, found.get(place, (0, 0))[1])
    return found


@pytest.mark.parametrize(
    ("options", "precision"),
    [("num_layers=2, dropout=0.1", "fp32"), ("bias=False", "fp32"), ("bias=True", "bf16-mixed")],
)
def test_by_its_ends_it_is_what_it_is_in_full(rehearsed, monkeypatch, options, precision):
    tokens = 40
    whole = rehearsed(options, tokens, precision)  # PyTorch's own code: it is no longer than SHORT
    monkeypatch.setattr(turns, "SHORT", 16)
    ends = rehearsed(options, tokens, precision)
    assert levels(ends) == levels(whole)


def test_thousands_of_tokens_are_no_more_work(rehearsed):
    counts = [sum(1 for _ in rehearsed("bias=True", tokens).timeline.events()) for tokens in (100, 101)]
    assert counts[1] - counts[0] < 30  # blocks that turns keep, not what they do


def test_two_ways_are_pytorchs_own(rehearsed, monkeypatch):
    """Not restated: made in full."""
    whole = rehearsed("bidirectional=True", 24)
    monkeypatch.setattr(turns, "SHORT", 16)
    assert levels(rehearsed("bidirectional=True", 24)) == levels(whole)
