"""Parameters that one token uses: figures that others published, and where there is none."""

import pytest

from anatomy.architecture.active import active_parameters
from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.facts import Facts
from anatomy.architecture.tree import tree_from_shapes
from anatomy.documents.show.model import show_document

GPT_OSS_120B = {"model_type": "gpt_oss", "num_hidden_layers": 36, "num_local_experts": 128}
PUBLISHED = {
    # arXiv:2401.04088, section 2: 47B parameters, of which 13B are used.
    "mixtral": ({"model_type": "mixtral"}, 12.9e9),
    # arXiv:2412.19437: 671B, of which 37B are activated for each token.
    "deepseek_v3": ({"model_type": "deepseek_v3"}, 37.6e9),
    # arXiv:2505.09388, table 2: Qwen3-30B-A3B, 3.3B activated.
    "qwen3_moe": (
        {
            "model_type": "qwen3_moe", "num_hidden_layers": 48, "hidden_size": 2048, "head_dim": 128,
            "num_key_value_heads": 4, "intermediate_size": 6144, "moe_intermediate_size": 768, "vocab_size": 151_936,
            "num_experts": 128, "num_experts_per_tok": 8,
        },
        3.35e9,
    ),
    # arXiv:2508.10925, table 1: 5.13B, which leave out the embedding; it is counted here.
    "gpt_oss": (GPT_OSS_120B, 5.13e9 + 201_088 * 2880),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_published(name, blueprint_of):
    config, active = PUBLISHED[name]
    assert anatomy_from(blueprint_of(config)).active == pytest.approx(active, rel=0.005)


def test_is_shown_with_what_it_assumes(blueprint_of):
    document = show_document(anatomy_from(blueprint_of({"model_type": "mixtral"})), depth=1)
    rows = dict(document.blocks[0].items)
    assert rows["active"] == "12.88 B (12,879,925,248) of a token, which goes to 2 of 8 routed experts"
    assert document.data["parameters"]["active"] == 12_879_925_248


def test_a_dense_model_has_no_such_figure(blueprint_of):
    anatomy = anatomy_from(blueprint_of({"model_type": "gpt2"}))
    assert anatomy.active is None
    assert "active" not in dict(show_document(anatomy).blocks[0].items)


@pytest.mark.parametrize(
    "facts", [Facts(experts=4), Facts(experts=4, experts_active=5), Facts(experts=8, experts_active=2)]
)
def test_unknown_or_contradictory_routing_has_no_figure(facts):
    """The last: the config says eight experts, a layer stacks four."""
    tree, _ = tree_from_shapes({"model.layers.0.mlp.experts.up_proj": (4, 6, 8)}, facts)
    assert tree.by_component() == {"experts.routed": 192}
    assert active_parameters(tree, facts) is None
