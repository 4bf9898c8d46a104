"""Rehearsals of live runs, for a CPU, beside torch.profiler's memory events of the runs themselves."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from families import make, tiny_recipe
from live_runs import live_model
from torch.profiler import ProfilerActivity, profile, record_function
from transformers import TrainerCallback

import anatomy
from anatomy.integrations import MemoryCallback
from anatomy.memory.allocator import replay
from anatomy.memory.footprint import footprint
from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.rehearse import Rehearsal, rehearse_cast

STEPS = 3


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> list[Rehearsal]:
    """Forecasts are rehearsed for a CPU, and kept."""
    kept: list[Rehearsal] = []

    def keep(cast: Any, *, component_of: Any, target: Target) -> Rehearsal:
        kept.append(rehearse_cast(cast, component_of=component_of, target=Target(name="cpu")))
        return kept[-1]

    monkeypatch.setattr("anatomy.integrations.forecast.rehearse_cast", keep)
    return kept


def mark() -> None:
    with record_function("step"):
        pass


def measured(run: Callable[[], None]) -> list[int]:
    """Highest level of each step above the level at the beginning of the first, by marks named 'step'."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    peaks: list[int] = []
    level = peak = base = 0
    for event in sorted(profiler.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "step":
            peaks.append(peak)
            base = level if len(peaks) == 1 else base
            peak = level
        elif event.name() == "[memory]":
            level += event.nbytes()
            peak = max(peak, level)
    return [peak - base for peak in peaks[1:]]


def predicted(rehearsal: Rehearsal) -> list[int]:
    """The same of a rehearsal: above what is loaded."""
    ran = replay(rehearsal.timeline)
    first = next(mark.at for mark in rehearsal.timeline.marks if mark.step == 1)
    ends = [mark.at for mark in rehearsal.timeline.marks if mark.step == 2][:1]
    base, levels = ran.requested[first - 1], ran.requested
    return [max(levels[first : ends[0]]) - base, max(levels[ends[0] :]) - base]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"label_smoothing_factor": 0.1},
        {"gradient_accumulation_steps": 2},
        {"gradient_checkpointing": True},
    ],
    ids=["plain", "label smoothing", "accumulation", "checkpointing"],
)
def test_a_trainer(
    make_trainer: Callable[..., Any], on_cpu: list[Rehearsal], changes: dict[str, Any]
) -> None:
    class Marks(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            mark()

        def on_train_end(self, *args: Any, **kwargs: Any) -> None:
            mark()

    recipe = tiny_recipe("llama")
    trainer = make_trainer(
        recipe, [MemoryCallback(), Marks()], max_steps=STEPS, logging_strategy="no",
        logging_nan_inf_filter=False, gradient_checkpointing_kwargs={"use_reentrant": False}, **changes,
    )  # fmt: skip
    real = measured(trainer.train)
    [rehearsal] = on_cpu
    assert real[1:2] == pytest.approx(predicted(rehearsal)[1:2], abs=4096, rel=0.002)


@pytest.mark.parametrize("clip", [0.0, 1.0], ids=["unclipped", "clipped"])
def test_a_loop(on_cpu: list[Rehearsal], clip: float) -> None:
    torch.manual_seed(0)
    model = make("llama", "cpu").train()
    optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
    batches = [torch.randint(0, 500, (2, 32)) for _ in range(STEPS)]
    with anatomy.watch(model, optimizer, max_grad_norm=clip) as w:
        w.plan(input_ids=batches[0], labels=batches[0])

        def loop() -> None:
            for ids in batches:
                mark()
                batch = {"input_ids": ids.clone(), "labels": ids.clone()}
                outputs = model(**batch)
                loss = outputs.loss
                loss.backward()
                if clip:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
                optimizer.step()
                optimizer.zero_grad()
            mark()

        real = measured(loop)
    [rehearsal] = on_cpu
    assert real[:2] == pytest.approx(predicted(rehearsal), abs=4096, rel=0.002)
    assert footprint(rehearsal.timeline).peak_allocated_bytes == w.predicted.peak_allocated_bytes


def test_lora_in_a_trainer(make_trainer: Callable[..., Any], on_cpu: list[Rehearsal]) -> None:
    class Marks(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            mark()

    recipe = tiny_recipe("llama", method="lora", r=8)
    trainer = make_trainer(recipe, [MemoryCallback(), Marks()], model=live_model(recipe), logging_strategy="no",
                           logging_nan_inf_filter=False)  # fmt: skip
    real = measured(trainer.train)
    [rehearsal] = on_cpu
    assert real[1] == pytest.approx(predicted(rehearsal)[1], abs=4096, rel=0.002)
