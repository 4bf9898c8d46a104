"""What a module has of a planned run: parts that add up, adapters where they are put, states with their parameters."""

from math import prod

import pytest

from anatomy import api
from anatomy.memory.timeline import Category


@pytest.mark.parametrize(
    "options",
    [
        {"method": "full"},
        {"method": "lora", "r": 4},
        {"method": "qlora", "r": 4, "precision": "bf16"},
        {"method": "lora", "objective": "dpo"},
        {"method": "full", "optimizer": "muon", "grad_accum": 4},
    ],
    ids=str,
)
def test_parts_add_up(tiny_llama, options):
    plan = api.plan(str(tiny_llama), seq_len=64, **options)
    modules = plan.modules
    assert sum(share.peak_bytes for share in modules.values()) == plan.footprint.peak_allocated_bytes
    for category in Category:
        total = sum(share.peak.get(category, 0) for share in modules.values())
        assert total == plan.footprint.by_category.get(category, 0)
    held = [parameter for share in modules.values() for parameter in share.held]
    assert sum(prod(p.shape) for p in held if p.trainable) == plan.trainable_parameters


def test_paths_are_those_of_the_anatomy(tiny_llama):
    tree = {node.path for node in api.show(str(tiny_llama), build=True).tree.walk()}
    assert api.plan(str(tiny_llama), seq_len=64, method="qlora", r=4).modules.keys() <= tree


def test_adapters_belong_to_what_they_are_put_on(tiny_llama):
    share = api.plan(str(tiny_llama), seq_len=64, r=4).modules["model.layers.0.mlp.down_proj"]
    width, inner = next(p.shape for p in share.held if p.name == "weight")
    added = {p.name: p.shape for p in share.held if p.adapter}
    assert added == {"lora_A.default.weight": (4, inner), "lora_B.default.weight": (width, 4)}
    assert not next(p for p in share.held if p.name == "weight").trainable


def test_states_belong_to_their_parameters(tiny_llama):
    """AdamW keeps two moments in the parameter's dtype; fp32 on purpose, and a step counter beside them."""
    plan = api.plan(str(tiny_llama), seq_len=64, method="full", precision="fp32")
    share = plan.modules["model.layers.0.mlp.down_proj"]
    weight = share.peak[Category.WEIGHTS]
    assert weight == 4 * prod(share.held[0].shape)
    assert share.peak[Category.OPTIMIZER] - 2 * weight in range(513)


def test_flops_add_up_to_the_textbook(tiny_llama):
    """A linear layer: two a weight and token in forward, twice as many in backward, forward again when recomputed."""
    plan = api.plan(str(tiny_llama), seq_len=64, batch_size=2, method="full")
    share = plan.modules["model.layers.1.mlp.up_proj"]
    forward = 2 * prod(share.held[0].shape) * 2 * 64
    assert share.flops == 3 * forward
    assert share.recomputed_flops == forward
