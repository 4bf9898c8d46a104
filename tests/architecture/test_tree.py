"""The tree, its JSON, and repeated layers folded."""

import json

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.fold import fold

MOE = {
    "model_type": "deepseek_v3",
    "num_hidden_layers": 6,
    "first_k_dense_replace": 2,
    "hidden_size": 64,
    "intermediate_size": 96,
    "moe_intermediate_size": 32,
    "vocab_size": 80,
}


def totals(node):
    """Every node's total is its own parameters and its children's, checked on the JSON alone."""
    inside = sum(totals(child) for child in node["children"])
    assert node["parameters"] >= inside
    return node["parameters"]


def test_json_contract(blueprint_of):
    content = anatomy_from(blueprint_of({"model_type": "gpt2", "n_layer": 2}, name="me/small")).to_dict()
    assert json.loads(json.dumps(content)) == content
    assert content["model"] == {
        "id": "me/small",
        "origin": "folder: me/small",
        "model_type": "gpt2",
        "architecture": "GPT2LMHeadModel",
        "overrides": {},
    }
    parameters = content["parameters"]
    assert parameters["total"] == content["tree"]["parameters"] == sum(parameters["by_component"].values())
    assert parameters["by_dtype"] == {}  # the config names no dtype and there are no headers
    assert set(content["tree"]) == {"path", "kind", "component", "parameters", "children"}
    assert totals(content["tree"]) == parameters["total"]
    assert content["tied"][0]["also"] == ["lm_head.weight"]


def test_facts_under_one_name_each(blueprint_of):
    gpt2 = anatomy_from(blueprint_of({"model_type": "gpt2", "n_layer": 1})).facts
    assert (gpt2.hidden_size, gpt2.heads, gpt2.kv_heads, gpt2.head_dim) == (768, 12, 12, 64)
    assert (gpt2.context, gpt2.vocabulary, gpt2.ffn_width) == (1024, 50257, 3072)
    gemma = anatomy_from(blueprint_of({"model_type": "gemma3_text", "num_hidden_layers": 12})).facts
    assert set(gemma.layer_kinds) == {"sliding_attention", "full_attention"}
    assert len(gemma.layer_kinds) == 12
    t5 = anatomy_from(blueprint_of({"model_type": "t5", "num_layers": 3, "num_decoder_layers": 2})).facts
    assert (t5.encoder_layers, t5.layers) == (3, 2)
    moe = anatomy_from(blueprint_of(MOE)).facts
    assert (moe.experts, moe.experts_active, moe.experts_shared) == (256, 8, 1)


def find(folded, path):
    found = folded
    for label in path.split("."):
        found = next(child for child in found.children if child.label == label)
    return found


def test_only_identical_neighbours_are_folded(blueprint_of):
    anatomy = anatomy_from(blueprint_of(MOE))
    whole = fold(anatomy.tree)
    layers = find(whole, "model.layers")
    assert [(child.label, child.times) for child in layers.children] == [("0-1", 2), ("2-5", 4)]
    assert sum(child.parameters for child in layers.children) == layers.node.parameters


def test_folding_loses_nothing(blueprint_of):
    anatomy = anatomy_from(blueprint_of({"model_type": "jamba", "vocab_size": 128}))

    def count(folded):
        return folded.times * (folded.node.own_parameters + sum(count(child) for child in folded.children))

    assert count(fold(anatomy.tree)) == anatomy.total
