"""Random weights on a device: the shapes, ties and buffers of the class's own making, and nothing that is no number."""

import pytest
import torch
from families import FAMILIES, make, tiny_recipe

from anatomy.errors import ArchitectureError
from anatomy.profiling import weights
from anatomy.profiling.weights import materialise
from anatomy.training.quantized.base import quantized_modules, state_tensors


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_built_on_the_cpu_looks_the_same(family):
    real, built = materialise(make(family, "meta"), tiny_recipe(family), "cpu"), make(family, "cpu")
    ours, theirs = real.state_dict(), built.state_dict()
    assert list(ours) == list(theirs)
    for name, tensor in ours.items():
        assert (tensor.shape, tensor.dtype, tensor.stride()) == (
            theirs[name].shape,
            theirs[name].dtype,
            theirs[name].stride(),
        )
        assert tensor.device.type == "cpu"
        assert tensor.isfinite().all()
    assert sum(p.numel() for p in real.parameters()) == sum(p.numel() for p in built.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_buffers_have_the_values_that_the_class_gives_them(family):
    """Rotary frequencies, masks and position ids are no random numbers."""
    real, built = materialise(make(family, "meta"), tiny_recipe(family), "cpu"), make(family, "cpu")
    expected = dict(built.named_buffers())
    found = dict(real.named_buffers())
    assert found.keys() == expected.keys()
    for name, buffer in found.items():
        assert torch.equal(buffer, expected[name]), name


def test_what_is_tied_stays_tied():
    model = materialise(make("gpt2", "meta"), tiny_recipe("gpt2"), "cpu")
    assert model.lm_head.weight is model.transformer.wte.weight


def test_weights_differ_and_norms_are_ones():
    model = materialise(make("llama", "meta"), tiny_recipe("llama"), "cpu")
    weight = model.model.layers[0].mlp.up_proj.weight
    assert 0.01 < weight.std() < 0.04
    assert torch.equal(model.model.norm.weight, torch.ones_like(model.model.norm.weight))


def test_a_quantized_base_is_packed_by_bitsandbytes():
    pytest.importorskip("bitsandbytes")
    recipe = tiny_recipe("llama", method="qlora", precision="bf16")
    model = materialise(make("llama", "meta").to(torch.bfloat16), recipe, "cpu")
    packed = quantized_modules(model)
    assert len(packed) == 3 * 7
    for _, module in packed:
        rows, columns = module.weight.quant_state.shape
        assert module.weight.dtype == torch.uint8
        assert module.weight.numel() * 2 == rows * columns
        assert all(not tensor.is_meta for tensor in state_tensors(module))
    out = model(input_ids=torch.ones(1, 8, dtype=torch.int64))
    assert out.logits.isfinite().all()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(monkeypatch, wrong):
    model = make("llama", "meta")
    real = type(model).initialize_weights

    def initialize_weights():
        real(model)
        model.model.layers[1].mlp.up_proj.weight[3, 5] = wrong

    monkeypatch.setattr(model, "initialize_weights", initialize_weights, raising=False)
    with pytest.raises(ArchitectureError, match=r"layers.1.mlp.up_proj.weight without finite values"):
        materialise(model, tiny_recipe("llama"), "cpu")


def test_looking_at_the_weights_takes_no_copy_of_them():
    model = materialise(make("llama", "meta"), tiny_recipe("llama"), "cpu")
    with torch.profiler.profile(profile_memory=True) as profiler:
        weights._check(model)
    events = profiler.profiler.kineto_results.experimental_event_tree()
    largest = max(parameter.nbytes for parameter in model.parameters())
    assert largest > 4096 > max(_taken(events))


def _taken(events):
    for event in events:
        if event.tag == torch._C._profiler._EventType.Allocation:
            yield event.extra_fields.alloc_size
        yield from _taken(event.children)


def test_a_class_without_initialization_is_refused():
    with torch.device("meta"):
        bare = torch.nn.Linear(2, 2)
    with pytest.raises(ArchitectureError, match="random weights") as caught:
        materialise(bare, tiny_recipe("llama"), "cpu")
    assert "--weights" in caught.value.hint
