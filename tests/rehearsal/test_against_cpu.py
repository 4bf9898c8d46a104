"""A rehearsal on meta and the same recorder on real CPU tensors write the same events, one by one."""

from itertools import groupby, product

import pytest
from families import FAMILIES, make, tiny_recipe
from sampling import sampled

from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.rehearse import Rehearsal, rehearse
from anatomy.training.recipe import Recipe

HOST_SCALAR = 8
"""Bytes up to which a block is a host's scalar (AdamW's step counter), which meta keeps on the CPU as well."""


def record(family: str, recipe: Recipe, device: str) -> Rehearsal:
    return rehearse(
        make(family, device), recipe, component_of=lambda _: "", target=Target(name="cpu"), device=device
    )


def events(rehearsal: Rehearsal) -> list[tuple[int, bool]]:
    timeline = rehearsal.timeline
    return [(e.block.bytes, e.born) for e in timeline.events() if e.block.bytes > HOST_SCALAR]


@pytest.mark.parametrize(
    ("family", "checkpointing", "method"),
    sampled(product(FAMILIES, ("off", "non-reentrant", "reentrant"), ("full", "lora")), 5),
)
def test_meta_and_cpu_write_the_same_events(family: str, checkpointing: str, method: str) -> None:
    recipe = tiny_recipe(family, gradient_checkpointing=checkpointing, method=method)
    meta, cpu = (record(family, recipe, device) for device in ("meta", "cpu"))
    assert events(meta) == events(cpu)
    assert len(events(meta)) > 500
    assert [(m.phase, m.step) for m in meta.timeline.marks] == [(m.phase, m.step) for m in cpu.timeline.marks]


@pytest.mark.parametrize(
    "optimizer", ["adamw_torch", "adamw_torch_fused", "sgd", "adagrad", "rmsprop", "adafactor"]
)
def test_optimizers_write_the_same_events(optimizer: str) -> None:
    recipe = tiny_recipe("llama", optimizer=optimizer, grad_accum=2)
    meta, cpu = (record("llama", recipe, device) for device in ("meta", "cpu"))
    assert events(meta) == events(cpu)


def with_frees_in_any_order(found: list[tuple[int, bool]]) -> list[tuple[int, bool]]:
    """Neighbouring frees sorted: autocast drops its cache of cast weights in the order of a hash table."""
    return [e for born, run in groupby(found, key=lambda e: e[1]) for e in (run if born else sorted(run))]


@pytest.mark.parametrize(
    ("checkpointing", "method"),
    sampled(product(("off", "non-reentrant", "reentrant"), ("full", "lora")), 5),
)
def test_autocast_writes_the_same_events(checkpointing: str, method: str) -> None:
    """torch's own autocast on CPU tensors beside ours on meta, for a model on which the two devices' lists agree."""
    recipe = tiny_recipe(
        "llama", gradient_checkpointing=checkpointing, method=method, precision="bf16-mixed", grad_accum=2
    )
    meta, cpu = (events(record("llama", recipe, device)) for device in ("meta", "cpu"))
    assert with_frees_in_any_order(meta) == with_frees_in_any_order(cpu)
    assert len(meta) > 1000
