"""Two models side by side."""

import pytest
from tiny_models import TINY_LLAMA

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.difference import difference


@pytest.fixture
def compare(blueprint_of):
    def make(left, right, left_tensors=None, right_tensors=None):
        plans = blueprint_of(left, left_tensors), blueprint_of(right, right_tensors)
        return difference(*((anatomy_from(plan), plan) for plan in plans))

    return make


def test_a_model_does_not_differ_from_itself(compare):
    found = compare(TINY_LLAMA, dict(TINY_LLAMA))
    assert found.is_none
    assert found.tensors == ()


def test_a_wider_feed_forward(compare):
    found = compare(TINY_LLAMA, {**TINY_LLAMA, "intermediate_size": 192})
    assert [(c.name, c.left, c.right) for c in found.facts] == [("ffn_width", 128, 192)]
    assert [(c.name, c.left, c.right) for c in found.config] == [("intermediate_size", 128, 192)]
    moved = {c.name: c.right - c.left for c in found.components if c.left != c.right}
    assert moved == dict.fromkeys(("ffn.gate", "ffn.up", "ffn.down"), 2 * 64 * 64)
    down = next(change for change in found.tensors if "down_proj" in change.path)
    assert down.path == "model.layers.*.mlp.down_proj.weight"
    assert (down.left[0][:2], down.right[0][:2]) == ((2, (64, 128)), (2, (64, 192)))
    assert sum(change.parameters for change in found.tensors) == found.right.total - found.left.total


def test_more_layers_and_a_bias(compare):
    found = compare(TINY_LLAMA, {**TINY_LLAMA, "num_hidden_layers": 3, "attention_bias": True})
    new = {change.path for change in found.tensors if not change.left}
    assert new == {f"model.layers.*.self_attn.{p}_proj.bias" for p in "qkvo"}
    assert sum(change.parameters for change in found.tensors) == found.right.total - found.left.total


def test_a_checkpoint_stored_in_another_dtype(compare):
    stored = [("model.norm.weight", (64,))]
    found = compare(TINY_LLAMA, TINY_LLAMA, [(*stored[0], "F32")], [(*stored[0], "BF16")])
    (change,) = found.tensors
    assert (change.left, change.right, change.parameters) == (((1, (64,), "F32"),), ((1, (64,), "BF16"),), 0)
    assert not found.is_none


def test_nested_settings_are_dotted(compare):
    rope = {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}
    found = compare(
        {**TINY_LLAMA, **rope}, {**TINY_LLAMA, "rope_scaling": {**rope["rope_scaling"], "factor": 4.0}}
    )
    assert [(c.name, c.left, c.right) for c in found.config] == [("rope_scaling.factor", 2.0, 4.0)]
    assert found.tensors == ()
