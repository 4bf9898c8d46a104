"""Operations of a step: torch's own counter on a real step, and the textbook's six per parameter and token."""

import pytest
import torch
from families import make, tiny_recipe
from torch.utils.flop_counter import FlopCounterMode

from anatomy.profiling.real import set_up
from anatomy.profiling.weights import materialise
from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.flops import Flops
from anatomy.rehearsal.rehearse import rehearse


def flops(family, recipe):
    return rehearse(make(family, "meta"), recipe, component_of=lambda _: "", target=Target(name="cpu")).flops


@pytest.mark.parametrize("checkpointing", ["off", "non-reentrant", "reentrant"])
def test_a_real_step_counts_the_same(checkpointing):
    """Mamba: no attention, whose kernel for the CPU torch's registry leaves out."""
    recipe = tiny_recipe("mamba", gradient_checkpointing=checkpointing)
    real = set_up(materialise(make("mamba", "meta"), recipe, "cpu"), recipe, "cpu", lambda _: "")
    counter = FlopCounterMode(display=False)
    with counter:
        real.step(lambda phase: None)
    assert flops("mamba", recipe).hardware == counter.get_total_flops()


def test_recomputation_is_one_more_forward_of_the_blocks():
    off = flops("llama", tiny_recipe("llama", gradient_checkpointing="off"))
    on = flops("llama", tiny_recipe("llama"))
    kept = flops("llama", tiny_recipe("llama", gradient_checkpointing="non-reentrant"))
    assert off == on
    assert (off.recomputed, kept.model) == (0, off.model)
    assert 0 < kept.recomputed < off.model / 3


def test_six_per_parameter_and_token():
    """2 forward and 4 backward for each weight of a matrix and each token (Kaplan et al., arXiv:2001.08361, 2.1)."""
    recipe = tiny_recipe("llama", seq_len=8, batch_size=4)
    model = make("llama", "meta")
    matrices = (
        sum(p.numel() for p in model.parameters() if p.dim() == 2)
        - model.get_input_embeddings().weight.numel()
    )
    counted = flops("llama", recipe).model
    # Attention comes on top: 12 x layers x width x length per token; its flash backward computes the scores again.
    attention = 12 * 3 * 64 * 8 * 32
    assert 6 * matrices * 32 <= counted <= 6 * matrices * 32 + 1.2 * attention


def test_micro_batches_cost_the_same():
    once = flops("llama", tiny_recipe("llama"))
    assert flops("llama", tiny_recipe("llama", grad_accum=2)) == Flops(model=2 * once.model, recomputed=0)
    assert flops("llama", tiny_recipe("llama", grad_accum=7)) == Flops(model=7 * once.model, recomputed=0)


def test_grouped_products():
    """Experts: every row meets one matrix; torch's registry has no formula for them."""
    from anatomy.rehearsal.flops import _grouped_mm

    rows, matrices = torch.empty(10, 16, device="meta"), torch.empty(4, 16, 32, device="meta")
    assert _grouped_mm(rows, matrices) == 2 * 10 * 16 * 32
    assert (
        _grouped_mm(torch.empty(16, 10, device="meta"), torch.empty(10, 32, device="meta"))
        == 2 * 10 * 16 * 32
    )
    assert _grouped_mm(torch.empty(4, 10, 16, device="meta"), matrices) == 2 * 4 * 10 * 16 * 32


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_a_packed_weight_costs_what_an_open_one_does(target):
    """A 4-bit base multiplies as often as the same base in 16 bits."""
    found = [
        rehearse(
            make("llama", "meta"),
            tiny_recipe("llama", method=method, gradient_checkpointing="non-reentrant"),
            component_of=lambda _: "",
            target=Target(name=target),
        ).flops
        for method in ("lora", "qlora")
    ]
    assert found[0] == found[1]
