"""What TRL's SFTTrainer does beside a Trainer, by a stand-in that does the same: metrics kept in the loss, a patched
log, a fused head."""

import sys
from collections import defaultdict
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from families import tiny_recipe
from test_memory_callback import entries, names, warnings_of
from transformers import Trainer

from anatomy.integrations import MemoryCallback
from anatomy.rehearsal.kernels.trl_cuda import HEAD, KERNELS, fused_head

SOURCE = """
def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
    outputs = model(**inputs)
    if self.peeks:
        peek(outputs.logits)
    confidence = outputs.logits.detach().softmax(-1).max(-1).values.mean()
    self._metrics["train"]["confidence"].append(confidence.item())
    self._seen += inputs["attention_mask"].sum().item()
    return outputs.loss
"""


def peek(logits: torch.Tensor) -> bool:
    return logits.sum().item() > 0


class Notes(Trainer):
    """Notes a number of every loss, and adds their mean to whatever is logged next."""

    peeks = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._metrics = {"train": defaultdict(list)}
        self._seen = 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        means = {name: sum(values) / len(values) for name, values in self._metrics["train"].items()}
        self._metrics["train"].clear()
        super().log({**logs, **means}, start_time)


_namespace: dict[str, Any] = {"peek": peek}
exec(compile(SOURCE, "/elsewhere/trl/trainer/sft_trainer.py", "exec"), _namespace)
Notes.compute_loss = _namespace["compute_loss"]  # type: ignore[method-assign]


def test_its_notes_stay_its_own(make_trainer: Callable[..., Any]) -> None:
    memory = MemoryCallback()
    watched = make_trainer(tiny_recipe("llama"), [memory], kind=Notes)
    bare = make_trainer(tiny_recipe("llama"), [], kind=Notes)
    watched.train()
    bare.train()
    assert memory.predicted is not None
    assumed = "the entropy and accuracy that TRL logs decide nothing (trl/trainer/sft_trainer.py:"
    assert any(said.startswith(assumed) for said in memory.predicted.assumptions)
    assert entries(watched, ours=False) == entries(bare, ours=False)
    assert "confidence" in entries(bare, ours=False)[0]
    assert all("confidence" not in names(entry) for entry in entries(watched, ours=True))
    assert watched._seen == bare._seen


def test_only_its_own_questions_are_waved_through(
    make_trainer: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Notes, "peeks", True)
    make_trainer(tiny_recipe("llama"), [MemoryCallback()], kind=Notes).train()
    [warning] = warnings_of(caplog)
    assert "the model asks for data that only a real run has: item in peek" in warning


def test_the_fused_head_is_cudas_while_it_is_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels, head = ModuleType(KERNELS), ModuleType(HEAD)
    own = {"_forward_tile": "forward", "_backward_tile": "backward", "_addmm_fp32": "addmm"}
    vars(kernels).update(own)
    vars(head).update(_use_triton="asks the device")
    monkeypatch.setitem(sys.modules, KERNELS, kernels)
    monkeypatch.setitem(sys.modules, HEAD, head)
    with fused_head():
        assert head._use_triton(torch.device("meta")) is True
        total = torch.ones(2, 2, device="meta")
        assert kernels._addmm_fp32(total, total, total) is kernels._forward_tile(total) is None
    assert {name: vars(kernels)[name] for name in own} == own
    assert head._use_triton == "asks the device"


def test_without_trl_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, KERNELS, None)
    with fused_head():
        assert sys.modules[KERNELS] is None
