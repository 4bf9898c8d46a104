"""A run told by a live model, optimizer and arguments is the run told by a recipe and a skeleton."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from families import make, tiny_recipe
from live_runs import rows_of
from sampling import sampled

from anatomy.integrations import MemoryCallback
from anatomy.memory.footprint import footprint
from anatomy.memory.timeline import Category, Phase
from anatomy.planning.plan import steady_state
from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.rehearse import Rehearsal, rehearse, rehearse_cast
from anatomy.training.methods import apply_method
from anatomy.training.quantized.base import bnb_config

COUNTING = 512
"""Bytes up to which a block may be part of counting labels: the Trainer counts those that are predicted, all but the
first; the recipe's step counts all."""

RUNS: tuple[dict[str, Any], ...] = (
    {},
    {"method": "lora"},
    {"gradient_checkpointing": "non-reentrant", "grad_accum": 2},
    {"method": "lora", "gradient_checkpointing": "reentrant"},
    {"precision": "bf16-mixed", "grad_accum": 2},
    {"method": "lora", "precision": "bf16-mixed", "gradient_checkpointing": "non-reentrant", "grad_accum": 5},
    {"precision": "bf16", "optimizer": "adamw_torch_fused"},
    {"optimizer": "adafactor", "max_grad_norm": 0.0},
)


def blocks(rehearsal: Rehearsal) -> list[tuple[Any, ...]]:
    """What happens after loading: every block that is born or freed, with where and what it is."""
    return [
        (e.block.bytes, e.born, e.block.category, e.block.module, e.block.op, e.phase, e.step)
        for e in rehearsal.timeline.events()
        if e.phase is not Phase.LOAD and e.block.bytes > COUNTING
    ]


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> list[Rehearsal]:
    """The rehearsals that forecasts are made of."""
    kept: list[Rehearsal] = []

    def keep(*args: Any, **kwargs: Any) -> Rehearsal:
        kept.append(rehearse_cast(*args, **kwargs))
        return kept[-1]

    monkeypatch.setattr("anatomy.integrations.forecast.rehearse_cast", keep)
    return kept


@pytest.mark.parametrize(
    "changes", sampled(RUNS, 3), ids=lambda c: "-".join(f"{k}={v}" for k, v in c.items()) or "plain"
)
def test_blocks_and_peaks_are_the_same(
    make_trainer: Callable[..., Any], rehearsed: list[Rehearsal], changes: dict[str, Any]
) -> None:
    recipe = tiny_recipe("llama", **changes)
    memory = MemoryCallback()
    make_trainer(recipe, [memory], max_steps=1).train()
    [live] = rehearsed
    skeleton = make("llama", "meta").to(getattr(torch, recipe.weight_dtype))
    told = rehearse(skeleton, recipe, component_of=lambda path: "", target=Target())

    # Component names are not compared: only with them is a head's output known as logits.
    assert [b[:2] + b[3:] for b in blocks(live)] == [b[:2] + b[3:] for b in blocks(told)]
    assert len(blocks(live)) > 1000
    assert (live.total_parameters, live.trainable_parameters, live.targets) == (
        told.total_parameters,
        told.trainable_parameters,
        told.targets,
    )
    steady, _ = steady_state(told.timeline)
    assert memory.predicted.peak_allocated_bytes == steady.peak_allocated_bytes
    assert memory.predicted.peak_reserved_bytes == steady.peak_reserved_bytes


@pytest.mark.parametrize("code", ["nf4", "int8"])
def test_a_quantized_base_is_planned_as_its_recipe(
    code: str, make_trainer: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = tiny_recipe("llama", method="qlora", precision="bf16", quant_type=code)
    make("llama", "cpu").to(torch.bfloat16).save_pretrained(tmp_path / "weights")
    base = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "weights", quantization_config=bnb_config(recipe), device_map="cpu"
    )
    model = apply_method(base, tiny_recipe("llama", method="lora"))
    memory = MemoryCallback()
    rows = rows_of(make("llama", "cpu"), recipe, 4)
    make_trainer(recipe, [memory], model=model, rows=rows, max_steps=1).train()
    skeleton = make("llama", "meta").to(torch.bfloat16)
    told = rehearse(skeleton, recipe, component_of=lambda path: "", target=Target())

    assert memory.predicted.total_parameters == told.total_parameters
    assert memory.predicted.trainable_parameters == told.trainable_parameters
    # Layers that were loaded share their code books, of 512 bytes and less.
    found, expected = memory.predicted.footprint, footprint(told.timeline)
    assert found.peak_allocated_bytes == pytest.approx(expected.peak_allocated_bytes, abs=2048)
    quantization = Category.QUANTIZATION
    assert found.by_category[quantization] == pytest.approx(expected.by_category[quantization], abs=2048)
