"""Which part of a model each parameter is."""

import re
from types import SimpleNamespace

import pytest

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.components import COMPONENTS, classify_parameters
from anatomy.architecture.skeleton import build_skeleton
from anatomy.architecture.tree import module_components

TINY = {"hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 2, "vocab_size": 96}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}


def parts_of(blueprint, parameter):
    skeleton = build_skeleton(blueprint)
    return dict(classify_parameters(skeleton.model, skeleton.config)[parameter])


def test_llama3_8b_layer(blueprint_of):
    """8B: attention 41.9 M and feed-forward 176.2 M a layer, head of 525 M of its own (arXiv 2407.21783, table 3)."""
    config = {
        "model_type": "llama",
        "intermediate_size": 14336,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": False,
    }
    anatomy = anatomy_from(blueprint_of(config))
    layer = next(node for node in anatomy.tree.walk() if node.path == "model.layers.0")
    parts = layer.by_component()
    assert sum(n for name, n in parts.items() if name.startswith("attention")) == 41_943_040
    assert sum(n for name, n in parts.items() if name.startswith("ffn")) == 176_160_768
    assert anatomy.by_component["head"] == anatomy.by_component["embedding"] == 525_336_576
    assert anatomy.facts.tied is False
    assert anatomy.tied == ()


def test_tied_head_counts_nothing_and_is_listed(blueprint_of):
    anatomy = anatomy_from(blueprint_of({"model_type": "gpt2", "n_layer": 1}))
    assert "head" not in anatomy.by_component
    assert anatomy.facts.tied is True
    assert [(g.counted, g.also, g.parameters) for g in anatomy.tied] == [
        ("transformer.wte.weight", ("lm_head.weight",), 50257 * 768)
    ]


@pytest.mark.parametrize(
    ("config", "parameter", "expected"),
    [
        # One key and one value head of 64 for 71 query heads (arXiv 2311.16867).
        (
            {"model_type": "falcon", "num_hidden_layers": 1},
            "transformer.h.0.self_attention.query_key_value.weight",
            {"attention.query": 4544 * 4544, "attention.key": 64 * 4544, "attention.value": 64 * 4544},
        ),
        (
            {"model_type": "gpt_bigcode", "n_layer": 1, "n_embd": 64, "n_head": 4, "multi_query": True},
            "transformer.h.0.attn.c_attn.weight",
            {"attention.query": 64 * 64, "attention.key": 16 * 64, "attention.value": 16 * 64},
        ),
        (
            {"model_type": "phi3", **TINY, **HEADS, "pad_token_id": 0},
            "model.layers.0.self_attn.qkv_proj.weight",
            {"attention.query": 64 * 64, "attention.key": 32 * 64, "attention.value": 32 * 64},
        ),
        (
            {"model_type": "phi3", **TINY, **HEADS, "pad_token_id": 0},
            "model.layers.1.mlp.gate_up_proj.weight",
            {"ffn.gate": 112 * 64, "ffn.up": 112 * 64},
        ),
        (
            {"model_type": "gpt2", "n_layer": 1},
            "transformer.h.0.attn.c_attn.bias",
            {"attention.query": 768, "attention.key": 768, "attention.value": 768},
        ),
        (
            {"model_type": "modernbert", "num_hidden_layers": 1},
            "model.layers.0.attn.Wqkv.weight",
            {"attention.query": 768**2, "attention.key": 768**2, "attention.value": 768**2},
        ),
        (
            {"model_type": "modernbert", "num_hidden_layers": 1},
            "model.layers.0.mlp.Wi.weight",
            {"ffn.gate": 1152 * 768, "ffn.up": 1152 * 768},
        ),
        ({"model_type": "gptj", "n_layer": 1}, "transformer.h.0.mlp.fc_in.weight", {"ffn.up": 4 * 4096**2}),
        (
            {"model_type": "bert", "num_hidden_layers": 1},
            "bert.encoder.layer.0.intermediate.dense.weight",
            {"ffn.up": 768 * 3072},
        ),
        # Latent attention: 128 heads with 128 positionless key units and 128 value units from 512 latent ones.
        (
            {"model_type": "deepseek_v3", "num_hidden_layers": 4},
            "model.layers.0.self_attn.kv_b_proj.weight",
            {"attention.key": 128 * 128 * 512, "attention.value": 128 * 128 * 512},
        ),
        (
            {"model_type": "deepseek_v3", "num_hidden_layers": 4},
            "model.layers.0.self_attn.kv_a_proj_with_mqa.weight",
            {"attention.other": 576 * 7168},
        ),
        (
            {"model_type": "deepseek_v3", "num_hidden_layers": 4},
            "model.layers.0.self_attn.q_a_proj.weight",
            {"attention.query": 1536 * 7168},
        ),
        (
            {"model_type": "deepseek_v3", "num_hidden_layers": 4},
            "model.layers.3.mlp.shared_experts.up_proj.weight",
            {"experts.shared": 2048 * 7168},
        ),
        (
            {"model_type": "gpt_oss", "num_hidden_layers": 1},
            "model.layers.0.self_attn.sinks",
            {"attention.other": 64},
        ),
        (
            {"model_type": "gpt_oss", "num_hidden_layers": 1, "num_local_experts": 32},
            "model.layers.0.mlp.router.weight",
            {"router": 32 * 2880},
        ),
        (
            {"model_type": "mixtral", "num_hidden_layers": 1},
            "model.layers.0.mlp.experts.gate_up_proj",
            {"experts.routed": 8 * 2 * 14336 * 4096},
        ),
        (
            {"model_type": "vit"},
            "vit.embeddings.patch_embeddings.projection.weight",
            {"embedding": 768 * 3 * 16 * 16},
        ),
        (
            {"model_type": "t5", "num_layers": 1},
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
            {"position": 32 * 8},
        ),
        (
            {"model_type": "bert", "num_hidden_layers": 1, "architectures": ["BertModel"]},
            "pooler.dense.weight",
            {"pooler": 768**2},
        ),
        (
            {"model_type": "convnext"},
            "convnext.encoder.stages.0.layers.0.pwconv1.weight",
            {"ffn.up": 4 * 96 * 96},
        ),
        (
            {"model_type": "swin", "architectures": ["SwinForImageClassification"]},
            "swin.encoder.layers.0.downsample.reduction.weight",
            {"mixer": 192 * 384},
        ),
        (
            {"model_type": "focalnet", "architectures": ["FocalNetForImageClassification"]},
            "focalnet.encoder.stages.0.layers.0.modulation.projection_out.weight",
            {"mixer": 96 * 96},
        ),
        (
            {"model_type": "levit", "architectures": ["LevitForImageClassification"]},
            "levit.encoder.stages.0.layers.0.module.attention_biases",
            {"position": 4 * 196},
        ),
        (
            {"model_type": "levit", "architectures": ["LevitForImageClassification"]},
            "levit.encoder.stages.0.layers.1.module.linear_up.linear.weight",
            {"ffn.up": 256 * 128},
        ),
        (
            {"model_type": "perceiver", "architectures": ["PerceiverForImageClassificationLearned"]},
            "perceiver.decoder.decoder.final_layer.weight",
            {"head": 2 * 1280},
        ),
        (
            {"model_type": "zamba", "num_hidden_layers": 8},
            "model.layers.2.linear.weight",
            {"projector": 3712 * 3712},
        ),
        (
            {"model_type": "mamba", "num_hidden_layers": 1},
            "backbone.layers.0.mixer.in_proj.weight",
            {"mixer": 2 * 1536 * 768},
        ),
    ],
)
def test_parameter_lands_in_its_component(config, parameter, expected, blueprint_of):
    assert parts_of(blueprint_of(config), parameter) == expected


def test_bert_base_by_hand(blueprint_of):
    """BERT-base (arXiv 1810.04805): 12 layers of 768; every weight and bias added by hand."""
    anatomy = anatomy_from(blueprint_of({"model_type": "bert", "architectures": ["BertForMaskedLM"]}))
    square = 12 * (768 * 768 + 768)
    assert anatomy.by_component == {
        "embedding": (30522 + 2) * 768,
        "position": 512 * 768,
        "attention.query": square,
        "attention.key": square,
        "attention.value": square,
        "attention.output": square,
        "ffn.up": 12 * (768 * 3072 + 3072),
        "ffn.down": 12 * (3072 * 768 + 768),
        "norm": (1 + 2 * 12) * 2 * 768,
        "head": 768 * 768 + 768 + 2 * 768 + 30522,
    }


def test_towers_are_whole(blueprint_of):
    """Gemma 3's vision tower has 416,866,032 parameters (SigLIP-400M without its pooling head), norms included."""
    config = {
        "model_type": "gemma3",
        "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34},
        "vision_config": {
            "hidden_size": 1152,
            "image_size": 896,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "patch_size": 14,
            "vision_use_head": False,
        },
    }
    anatomy = anatomy_from(blueprint_of(config))
    tower = next(node for node in anatomy.tree.walk() if node.name == "vision_tower")
    assert tower.component == "vision"
    assert tower.parameters == anatomy.by_component["vision"] == 416_866_032
    assert anatomy.by_component["projector"] == 1152 * 2560 + 1152


def test_hybrid_layers_are_told_apart(blueprint_of):
    anatomy = anatomy_from(blueprint_of({"model_type": "jamba"}))
    kinds = set(anatomy.facts.layer_kinds)
    assert len(kinds) == 2
    assert anatomy.by_component["mixer"] == 2_948_628_480
    assert anatomy.by_component["experts.routed"] == 16 * 16 * 3 * 14336 * 4096


def test_fused_projection_that_does_not_add_up_stays_whole():
    """Five units for three parts: nothing in the config or beside it explains them, so no split is invented."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv_proj = nn.Linear(8, 5, bias=False, device="meta")

    model = nn.Sequential()
    model.add_module("attention", Block())
    config = SimpleNamespace(hidden_size=8, num_attention_heads=2)
    assert classify_parameters(model, config) == {"attention.qkv_proj.weight": (("attention.other", 40),)}


def test_a_recurrent_model_does_not_crash():
    from torch import nn

    model = nn.Sequential()
    model.add_module("lstm", nn.LSTM(8, 16, device="meta"))
    model.add_module("strange", nn.Bilinear(2, 3, 4, device="meta"))
    parts = classify_parameters(model, SimpleNamespace())
    assert {dict(p).popitem()[0] for path, p in parts.items() if path.startswith("lstm")} == {"mixer"}
    assert parts["strange.weight"] == (("other", 24),)


def test_what_nothing_recognises_is_loud(blueprint_of):
    anatomy = anatomy_from(blueprint_of(tensors=[("flux.weight", (3, 3, 3)), ("lm_head.weight", (4, 2))]))
    assert anatomy.unclassified == ("flux.weight",)
    assert anatomy.by_component == {"head": 8, "other": 27}


def test_modules_have_components(blueprint_of):
    skeleton = build_skeleton(blueprint_of({"model_type": "llama", **TINY, **HEADS}))
    found = module_components(skeleton.model, skeleton.config)
    assert set(found) == {path for path, _ in skeleton.model.named_modules()}
    assert found["model.layers.0.self_attn.q_proj"] == "attention.query"
    assert found["model.layers.0.self_attn"] == "attention.other"
    assert found["model.layers.0.mlp"] == "ffn.other"
    assert found["model.layers.0.mlp.act_fn"] == "ffn.other"
    assert found["model.layers.0"] == found[""] == ""
    assert found["lm_head"] == "head"
    assert set(found.values()) <= {*COMPONENTS, ""}


@pytest.mark.parametrize(
    "model_type", ["llama", "gpt2", "bert", "t5", "mamba", "gemma3n_text", "zamba2", "mllama"]
)
def test_parts_add_up_to_every_parameter(model_type, blueprint_of):
    skeleton = build_skeleton(blueprint_of({"model_type": model_type}))
    parts = classify_parameters(skeleton.model, skeleton.config)
    sizes = {path: parameter.numel() for path, parameter in skeleton.model.named_parameters()}
    assert {path: sum(count for _, count in split) for path, split in parts.items()} == sizes
    assert {name for split in parts.values() for name, _ in split} <= set(COMPONENTS)


def test_a_block_of_experts_and_their_router_is_named_as_neither(blueprint_of):
    """The tree must not call routed experts what the table of components counts as the router."""
    moe = {"num_local_experts": 4, "num_experts_per_tok": 2}
    blueprint = blueprint_of({"model_type": "mixtral", **TINY, **HEADS, **moe})
    tree = anatomy_from(blueprint).tree
    nodes = {node.path: node for node in tree.walk()}
    block = nodes["model.layers.0.mlp"]
    assert block.component == "experts"
    assert set(block.by_component()) == {"router", "experts.routed"}
    assert nodes["model.layers.0.mlp.gate"].component == "router"
    assert nodes["model.layers.0.mlp.experts"].component == "experts.routed"
    skeleton = build_skeleton(blueprint)
    assert module_components(skeleton.model, skeleton.config)["model.layers.0.mlp"] == "experts.routed"


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "mixtral", "deepseek_v3", "clip", "t5", "jamba"])
def test_a_component_in_the_tree_holds_nothing_else_than_norms(model_type, blueprint_of):
    for node in anatomy_from(blueprint_of({"model_type": model_type})).tree.walk():
        if node.component in COMPONENTS:
            assert set(node.by_component()) <= {node.component, "norm"}
        else:
            assert node.component in ("", "attention", "ffn", "experts")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "mllama"}, "cross_attn_attn_gate (8)"),
        ({"model_type": "clip", "architectures": ["CLIPModel"]}, "logit_scale (1)"),
        ({"model_type": "deepseek_v4", "num_hidden_layers": 2}, "model.layers.*.attn_hc.fn ("),
    ],
)
def test_what_is_counted_as_other_is_either_named_or_unclassified(config, said, blueprint_of):
    anatomy = anatomy_from(blueprint_of(config))
    (note,) = [note for note in anatomy.notes if note.startswith("'other' counts")]
    assert said in note
    assert sum(map(int, re.findall(r"\((\d+)\)", note))) == anatomy.by_component["other"]
    assert anatomy.unclassified == ()


@pytest.mark.parametrize(
    ("model_type", "class_name"),
    [
        ("levit", "LevitForImageClassification"),
        ("hiera", "HieraForImageClassification"),
        ("perceiver", "PerceiverForImageClassificationLearned"),
        ("kosmos-2", "Kosmos2ForConditionalGeneration"),
    ],
)
def test_nothing_of_a_vision_model_is_unclassified(model_type, class_name, blueprint_of):
    anatomy = anatomy_from(blueprint_of({"model_type": model_type, "architectures": [class_name]}))
    assert anatomy.unclassified == ()


def test_a_matrix_of_unknown_purpose_stays_unclassified():
    from anatomy.architecture.components import classify_all
    from anatomy.architecture.facts import Facts
    from anatomy.architecture.site import surround

    around = surround({"net.linear.weight": (4, 4), "net.3.linear.weight": (4, 4)}, Facts())
    parts, unknown = classify_all(around)
    assert unknown == ("net.linear.weight",)
    assert parts["net.3.linear.weight"] == (("projector", 16),)
