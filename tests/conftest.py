"""Fixtures for the upper floors: a tiny model on disk, and a plan made by hand."""

import json
from pathlib import Path

import pytest
from hypothesis import settings
from tiny_models import MIB, TINY_LLAMA, make_gpu

from anatomy.memory.allocator import replay
from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline
from anatomy.planning.plan import ModelName, Plan, place
from anatomy.training.recipe import Recipe

settings.register_profile("untimed", deadline=None)  # the first example pays for imports and caches
settings.load_profile("untimed")


@pytest.fixture
def tiny_llama(tmp_path: Path) -> Path:
    """A folder with a config of 106,816 parameters, and nothing else."""
    folder = tmp_path / "tiny_llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(TINY_LLAMA))
    return folder


@pytest.fixture
def made_timeline() -> Timeline:
    """Weights of 100 MiB that stay; 40 MiB that come and go; then 60 MiB at the peak."""
    block = Block(bytes=100 * MIB, category=Category.WEIGHTS, component="head", module="lm_head", op="load")
    passing = Block(bytes=40 * MIB, category=Category.TEMPORARIES, module="model.layers.0", op="aten.mm")
    peak = Block(
        bytes=60 * MIB, category=Category.ACTIVATIONS, module="base_model.model.lm_head", op="aten.add"
    )
    return Timeline(
        blocks=(block, passing, peak),
        trace=(0, 1, ~1, 2, ~2),
        marks=(
            Mark(at=0, phase=Phase.LOAD, step=0),
            Mark(at=1, phase=Phase.FORWARD, step=1),
            Mark(at=3, phase=Phase.BACKWARD, step=1),
        ),
    )


@pytest.fixture
def made_plan(made_timeline: Timeline) -> Plan:
    """A plan with one GPU of every verdict. Unlimited, the run reserves 200 MiB; 160 would do."""
    gpus = (
        make_gpu("Small", 1024 + 150),
        make_gpu("Old", 1024 + 170, bf16=False),
        make_gpu("Tight", 1024 + 180),
        make_gpu("Boxed", 1024 + 190, nominal=True),
        make_gpu("Large", 1024 + 1024),
    )
    recipe = Recipe(method="lora", r=8, target_modules=("q_proj", "v_proj"))
    unlimited = replay(made_timeline)
    found, fits = place(unlimited, gpus, recipe)
    return Plan(
        model=ModelName(id="org/a_model[x]", origin="folder: here", model_type="llama", architecture="Llama"),
        recipe=recipe,
        total_parameters=50_000_000,
        trainable_parameters=1_000_000,
        targets=("q_proj", "v_proj"),
        replay=unlimited,
        footprint=found,
        device="Large",
        context_bytes=1024 * MIB,
        fits=fits,
        assumptions=("no padding",),
        not_modelled=("evaluation",),
        warnings=("mind the | gap",),
        versions={"torch": "0.0"},
    )
