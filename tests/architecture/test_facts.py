"""The numbers that describe a model, against its config and the shapes of its class."""

import pytest

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.difference import difference
from anatomy.architecture.facts import facts_from_config
from anatomy.documents.document import Facts as Shown
from anatomy.documents.show.model import show_document

SIZES = {
    "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 128,
    "intermediate_size": 96, "num_hidden_layers": 2,
}  # fmt: skip
GEMMA_4 = {
    "model_type": "gemma4_text", **SIZES, "global_head_dim": 32, "num_global_key_value_heads": 1,
    "attention_k_eq_v": True, "num_hidden_layers": 3, "vocab_size_per_layer_input": 8, "num_kv_shared_layers": 0,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"], "hidden_size_per_layer_input": 0,
}  # fmt: skip


def shown(anatomy):
    return dict(next(b for b in show_document(anatomy).blocks if isinstance(b, Shown)).items)


@pytest.mark.parametrize(
    ("config", "width"),
    [
        (
            {"model_type": "mixtral", "num_local_experts": 4},
            96,
        ),  # the config's intermediate_size is the experts'
        (
            {"model_type": "qwen3_moe", "num_experts": 4, "moe_intermediate_size": 40, "mlp_only_layers": []},
            40,
        ),
        ({"model_type": "gpt_oss", "num_local_experts": 4}, 96),
        (
            {"model_type": "gpt_oss", "num_local_experts": 4, "intermediate_size": 64},
            64,
        ),  # as wide as the model
        ({"model_type": "llama"}, None),
    ],
)
def test_the_width_of_an_expert(config, width, blueprint_of):
    anatomy = anatomy_from(blueprint_of({**SIZES, **config}))
    assert anatomy.facts.expert_width == width
    assert shown(anatomy).get("expert width") == (None if width is None else str(width))


def test_heads_that_vary_by_layer(blueprint_of):
    anatomy = anatomy_from(blueprint_of(GEMMA_4))
    assert anatomy.facts.varying == {"kv_heads": (2, 2, 1), "head_dim": (16, 16, 32)}
    facts = shown(anatomy)
    assert facts["head size"] == "varies by layer: 16 in 2, 32 in 1"
    assert facts["key/value heads"] == "varies by layer: 2 in 2, 1 in 1"
    queries = [own.shape for node in anatomy.tree.walk() for own in node.own if node.name == "q_proj"]
    assert queries == [(64, 64), (64, 64), (128, 64)]


def test_a_list_of_numbers_by_layer():
    facts = facts_from_config({"hidden_size": 64, "num_heads": [4, 8], "num_kv_heads": [2, 2]})
    assert (facts.heads, facts.kv_heads, facts.varying) == (None, 2, {"heads": (4, 8)})
    assert facts.to_dict()["varying"] == {"heads": (4, 8)}
    assert "varying" not in facts_from_config({"hidden_size": 64}).to_dict()


def test_what_varies_in_one_of_two_differs(blueprint_of):
    one, other = (blueprint_of(c) for c in (GEMMA_4, {**GEMMA_4, "global_head_dim": 64}))
    found = difference((anatomy_from(one), one), (anatomy_from(other), other))
    changes = {change.name: (change.left, change.right) for change in found.facts}
    assert changes == {"head_dim = 32, layers": (1, None), "head_dim = 64, layers": (None, 1)}
