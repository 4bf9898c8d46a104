"""Parameter totals that others published, from the facts that differ from each class's defaults.

Source unless a row says otherwise: `safetensors.total` of the model's page at huggingface.co (also given by
`HfApi().model_info(id).safetensors.total`), read 2025-2026, for checkpoints that store each parameter once.
"""

from typing import Any

import pytest

from anatomy.architecture.anatomy import anatomy_from

PYTHIA = "the Pythia suite's table, 'total params' (github.com/EleutherAI/pythia)"
T5_TABLE = "sizes of the original T5 checkpoints as loaded by transformers (num_parameters)"

SILU = {"vision_use_head": False, "patch_size": 14, "num_hidden_layers": 27, "intermediate_size": 4304}


def _llama(
    hidden: int, ffn: int, layers: int, heads: int, kv_heads: int, vocab: int, **more: Any
) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocab,
        **more,
    }


def _neox(hidden: int, layers: int, heads: int, vocab: int = 50304) -> dict[str, Any]:
    return {
        "model_type": "gpt_neox",
        "hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "vocab_size": vocab,
    }


def _gpt2(width: int, layers: int, heads: int) -> dict[str, Any]:
    return {"model_type": "gpt2", "n_embd": width, "n_layer": layers, "n_head": heads}


def _qwen2(hidden: int, ffn: int, layers: int, heads: int, kv_heads: int, **more: Any) -> dict[str, Any]:
    return {**_llama(hidden, ffn, layers, heads, kv_heads, 151936), "model_type": "qwen2", **more}


PUBLISHED: dict[str, tuple[int, dict[str, Any]]] = {
    "Llama-2-7B, without its stored rotary buffers": (
        6738415616,
        _llama(4096, 11008, 32, 32, 32, 32000),
    ),
    "CodeLlama-7B": (6738546688, _llama(4096, 11008, 32, 32, 32, 32016)),
    "Llama-3.1-8B": (8030261248, _llama(4096, 14336, 32, 32, 8, 128256)),
    "Llama-3.1-70B": (70553706496, _llama(8192, 28672, 80, 64, 8, 128256)),
    "Llama-3.1-405B": (405853388800, _llama(16384, 53248, 126, 128, 8, 128256)),
    "Llama-3.2-3B": (3212749824, _llama(3072, 8192, 28, 24, 8, 128256, tie_word_embeddings=True)),
    "Mistral-7B-v0.1": (7241732096, {"model_type": "mistral"}),
    "Mixtral-8x7B-v0.1": (46702792704, {"model_type": "mixtral"}),
    "Qwen2.5-1.5B": (1543714304, _qwen2(1536, 8960, 28, 12, 2, tie_word_embeddings=True)),
    "Qwen2.5-7B": (7615616512, _qwen2(3584, 18944, 28, 28, 4, vocab_size=152064)),
    "Qwen2.5-14B": (14770033664, _qwen2(5120, 13824, 48, 40, 8, vocab_size=152064)),
    "Qwen3-8B": (
        8190735360,
        {
            "model_type": "qwen3",
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_key_value_heads": 8,
        },
    ),
    "Qwen3-30B-A3B": (30532122624, {"model_type": "qwen3_moe", "head_dim": 128, "num_hidden_layers": 48}),
    "Qwen1.5-MoE-A2.7B": (14315784192, {"model_type": "qwen2_moe"}),
    "Qwen2-VL-2B-Instruct": (
        2208985600,
        {
            **_qwen2(1536, 8960, 28, 12, 2, tie_word_embeddings=True),
            "model_type": "qwen2_vl",
            "vision_config": {"hidden_size": 1536},
        },
    ),
    "gpt-oss-20b": (
        20914757184,
        {"model_type": "gpt_oss", "num_hidden_layers": 24, "num_local_experts": 32},
    ),
    "Nemotron-3-Nano-30B-A3B": (
        31577937344,
        {
            "model_type": "nemotron_h",
            "hidden_size": 2688,
            "intermediate_size": 1856,
            "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
            "mamba_num_heads": 64,
            "num_key_value_heads": 2,
            "n_routed_experts": 128,
            "num_experts_per_tok": 6,
            "moe_intermediate_size": 1856,
            "moe_shared_expert_intermediate_size": 3712,
        },
    ),
    "gemma-7b": (8537680896, {"model_type": "gemma"}),
    "gemma-2-9b": (
        9241705984,
        {
            "model_type": "gemma2",
            "hidden_size": 3584,
            "intermediate_size": 14336,
            "num_hidden_layers": 42,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
        },
    ),
    "gemma-3-1b-it": (
        999885952,
        {
            "model_type": "gemma3_text",
            "hidden_size": 1152,
            "intermediate_size": 6912,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "vocab_size": 262144,
        },
    ),
    "gemma-3-4b-it": (
        4300079472,
        {
            "model_type": "gemma3",
            "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34},
            "vision_config": {"hidden_size": 1152, "image_size": 896, **SILU},
        },
    ),
    "Llama-3.2-11B-Vision-Instruct": (
        10670220835,
        {"model_type": "mllama", "vision_config": {"image_size": 560}},
    ),
    "Llama-4-Scout-17B-16E-Instruct": (
        108641793536,
        {
            "model_type": "llama4",
            "vision_config": {"hidden_size": 1408, "image_size": 336, "vision_output_dim": 4096},
        },
    ),
    "stablelm-3b-4e1t": (2795443200, {"model_type": "stablelm"}),
    "DeepSeek-V2-Lite": (
        15706484224,
        {
            "model_type": "deepseek_v2",
            "hidden_size": 2048,
            "intermediate_size": 10944,
            "moe_intermediate_size": 1408,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
            "num_experts_per_tok": 6,
            "first_k_dense_replace": 1,
            "q_lora_rank": None,
        },
    ),
    "Phi-mini-MoE-instruct": (
        7647632704,
        {"model_type": "phimoe", "intermediate_size": 960, "attention_bias": True, "lm_head_bias": True},
    ),
    "phi-2": (
        2779683840,
        {"model_type": "phi", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32},
    ),
    f"t5-small; {T5_TABLE}": (60506624, {"model_type": "t5"}),
    f"t5-3b; {T5_TABLE}": (
        2851598336,
        {
            "model_type": "t5",
            "architectures": ["T5WithLMHeadModel"],
            "d_model": 1024,
            "d_ff": 16384,
            "d_kv": 128,
            "num_heads": 32,
            "num_layers": 24,
        },
    ),
    "gpt-neox-20b; n_parameters of its model card": (20554567680, _neox(6144, 44, 64, 50432)),
    f"pythia-14m; {PYTHIA}": (14067712, _neox(128, 6, 4)),
    f"pythia-160m; {PYTHIA}": (162322944, _neox(768, 12, 12)),
    f"pythia-1.4b; {PYTHIA}": (1414647808, _neox(2048, 24, 16)),
    f"pythia-2.8b; {PYTHIA}": (2775208960, _neox(2560, 32, 32)),
    "SmolLM3-3B": (3075098624, {"model_type": "smollm3"}),
    "Jamba-v0.1": (51570323328, {"model_type": "jamba"}),
    "OLMo-2-1124-7B": (7298617344, {"model_type": "olmo2", "vocab_size": 100352}),
    "bloom-560m": (
        559214592,
        {"model_type": "bloom", "hidden_size": 1024, "n_layer": 24, "n_head": 16},
    ),
    "whisper-large-v3": (
        1543490560,
        {
            "model_type": "whisper",
            "d_model": 1280,
            "encoder_layers": 32,
            "decoder_layers": 32,
            "encoder_attention_heads": 20,
            "decoder_attention_heads": 20,
            "encoder_ffn_dim": 5120,
            "decoder_ffn_dim": 5120,
            "num_mel_bins": 128,
            "vocab_size": 51866,
        },
    ),
    "gpt2; parameters without stored masks": (124439808, _gpt2(768, 12, 12)),
    "gpt2-medium; parameters without stored masks": (354823168, _gpt2(1024, 24, 16)),
    "gpt2-large; parameters without stored masks": (774030080, _gpt2(1280, 36, 20)),
    "gpt2-xl; parameters without stored masks": (1557611200, _gpt2(1600, 48, 25)),
    "mamba-130m-hf": (129135360, {"model_type": "mamba", "num_hidden_layers": 24}),
    "bart-large; AutoModel.num_parameters()": (
        406291456,
        {"model_type": "bart", "architectures": ["BartModel"]},
    ),
    "vit-base-patch16-224; num_params of torchvision's vit_b_16": (
        86567656,
        {"model_type": "vit", "id2label": {str(i): f"class {i}" for i in range(1000)}},
    ),
    "bert-base-uncased for masked LM; its checkpoint less pooler and next-sentence head": (
        109514298,
        {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_total_is_the_published_one(name, blueprint_of):
    published, config = PUBLISHED[name]
    anatomy = anatomy_from(blueprint_of(config))
    assert anatomy.total == published
    assert sum(anatomy.by_component.values()) == published
    assert anatomy.unclassified == ()


def test_gpt3_175b_matrices(blueprint_of):
    """GPT-3 paper (arXiv 2005.14165), table 2.1: 96 layers, d_model 12288, 96 heads of 128, 2048 positions."""
    config = {**_gpt2(12288, 96, 96), "n_positions": 2048}
    tree = anatomy_from(blueprint_of(config)).tree
    matrices = {
        component: sum(
            count
            for node in tree.walk()
            for own in node.own
            if len(own.shape) == 2
            for name, count in own.parts
            if name == component
        )
        for component in ("attention.query", "attention.key", "attention.value", "attention.output", "ffn.up")
    }
    assert set(matrices.values()) == {14495514624, 57982058496}
    assert matrices["ffn.up"] == 57982058496
    parts = tree.by_component()
    assert parts["embedding"] == 617558016
    # The usual textbook sum counts the unembedding as a matrix of its own.
    whole = 2 * parts["embedding"] + 4 * matrices["attention.query"] + 2 * matrices["ffn.up"]
    assert whole == 175181291520
