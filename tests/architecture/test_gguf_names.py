"""The components of a GGUF file are those of the class that it was made of: names by llama.cpp's own table."""

from typing import Any

import pytest

from anatomy.architecture.anatomy import Anatomy, anatomy_from
from anatomy.architecture.components import classify_all
from anatomy.architecture.facts import Facts
from anatomy.architecture.site import surround
from anatomy.blueprint import Blueprint, Origin, TensorHeader

SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 128,
}
EXPERTS = {"num_experts": 4, "moe_intermediate_size": 32, "num_experts_per_tok": 2}
LATENT = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LLAMA", SMALL),
    "qwen3": ("QWEN3", {**SMALL, "head_dim": 32}),
    "gemma3_text": ("GEMMA3", {**SMALL, "head_dim": 16}),
    "phi3": ("PHI3", {**SMALL, "pad_token_id": 0}),
    "gpt2": ("GPT2", {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 256, "n_positions": 128}),
    "gpt_neox": ("GPTNEOX", {**SMALL, "num_key_value_heads": 4}),
    "starcoder2": ("STARCODER2", SMALL),
    "mamba": ("MAMBA", {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 256}),
    "qwen2_moe": ("QWEN2MOE", {**SMALL, **EXPERTS, "shared_expert_intermediate_size": 48}),
    "mixtral": ("LLAMA", {**SMALL, "num_local_experts": 4}),
    "gpt_oss": ("GPT_OSS", {**SMALL, "head_dim": 16, "num_local_experts": 4}),
    "deepseek_v3": (
        "DEEPSEEK2",
        {
            **SMALL,
            **LATENT,
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "n_shared_experts": 1,
            "moe_intermediate_size": 32,
            "first_k_dense_replace": 1,
            "num_experts_per_tok": 2,
            "n_group": 1,
            "topk_group": 1,
        },
    ),
    "lfm2": ("LFM2", {**SMALL, "full_attn_idxs": [1]}),
    "olmo2": ("OLMO2", SMALL),
}
"""transformers' model type -> gguf-py's MODEL_ARCH, and a small config."""


def built(model_type: str, config: dict[str, Any]) -> Anatomy:
    return anatomy_from(
        Blueprint(
            id="org/model",
            origin=Origin(kind="file", location="x"),
            config={"model_type": model_type, **config},
        )
    )


@pytest.mark.parametrize("model_type", MODELS)
def test_components_equal_those_of_the_class(model_type):
    gguf = pytest.importorskip("gguf", reason="the table of names is gguf-py's")
    arch, config = MODELS[model_type]
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch], 2)
    model = built(model_type, config)
    tensors = []
    for node in model.tree.walk():
        for own in node.own:
            path = f"{node.path}.{own.name}".removeprefix(".")
            # Classes of transformers 5 hold the gates and ups of all experts in one parameter; files hold two or one.
            path = path.replace(".experts.gate_up_proj", ".experts.gate_proj").replace("_bias", ".bias")
            name = names.get_name(path, try_suffixes=(".weight", ".bias"))
            assert name, path
            tensors.append(TensorHeader(name=name, dtype="F32", shape=own.shape))
    file = anatomy_from(
        Blueprint(
            id="model.gguf",
            origin=Origin(kind="file", location="x"),
            config={"model_type": model_type, **config},
            tensors=tuple(tensors),
            names="gguf",
        )
    )
    assert file.architecture is None
    assert file.by_component == model.by_component
    assert file.unclassified == ()


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("token_embd.weight", "embedding"),
        ("token_embd_norm.weight", "norm"),
        ("position_embd.weight", "position"),
        ("output.weight", "head"),
        ("blk.7.attn_output.bias", "attention.output"),
        ("blk.7.attn_q_norm.weight", "norm"),
        ("blk.7.attn_sinks.weight", "attention.other"),
        ("blk.7.attn_kv_a_mqa.weight", "attention.other"),
        ("blk.7.ffn_gate_inp.weight", "router"),
        ("blk.7.ffn_gate_exps.weight", "experts.routed"),
        ("blk.7.ffn_gate.3.weight", "experts.routed"),
        ("blk.7.ffn_up_shexp.weight", "experts.shared"),
        ("blk.7.ssm_conv1d.weight", "mixer"),
        ("blk.7.ssm_a", "mixer"),
        ("blk.7.nextn.eh_proj.weight", "other"),
        ("dec.blk.7.cross_attn_k.weight", "attention.key"),
        ("enc.blk.7.ffn_down.weight", "ffn.down"),
        ("v.blk.7.attn_q.weight", "vision"),
        ("mm.0.weight", "projector"),
        ("blk.7.attn_q.weight.lora_a", "adapter"),
    ],
)
def test_a_name_has_its_component(name, component):
    shape = (64,) if "norm" in name else (64, 64)
    parts, unknown = classify_all(surround({name: shape, "blk.0.attn_q.weight": (64, 64)}, Facts()))
    assert [what for what, _ in parts[name]] == [component]
    assert unknown == ()


def test_a_name_that_the_scheme_lacks_is_unclassified():
    _, unknown = classify_all(surround({"blk.0.sorcery.weight": (8, 8)}, Facts()))
    assert unknown == ("blk.0.sorcery.weight",)


def test_a_fused_up_projection_holds_the_gate():
    shapes = {"blk.0.ffn_up.weight": (192, 64), "blk.0.ffn_down.weight": (64, 96)}
    parts, _ = classify_all(surround(shapes, Facts(ffn_width=96)))
    assert parts["blk.0.ffn_up.weight"] == (("ffn.gate", 96 * 64), ("ffn.up", 96 * 64))
