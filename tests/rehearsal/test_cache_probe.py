"""What models keep, against published figures and against their real caches on the CPU."""

import pytest
import torch
import transformers

from anatomy.architecture.skeleton import build_skeleton
from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import ArchitectureError
from anatomy.inference.cache import BY_NAME
from anatomy.rehearsal.cache_probe import kv_cache_of
from anatomy.source import catalog

BF16 = BY_NAME["bf16"]


def skeleton_of(model, dtype="bfloat16"):
    config = catalog.find(model).config if isinstance(model, str) else model
    return build_skeleton(
        Blueprint(id="m", origin=Origin(kind="catalog", location=""), config=config), dtype=dtype
    )


@pytest.mark.parametrize(
    ("model", "token_bytes"),
    [
        ("meta-llama/Meta-Llama-3-8B", 128 * 1024),  # 2 x 32 layers x 8 heads x 128 x 2 bytes
        ("meta-llama/Llama-2-7b-hf", 512 * 1024),
        ("deepseek-ai/DeepSeek-V3", 70_272),  # arXiv:2412.19437: 61 layers x (512 + 64), 2 bytes each
        ("Qwen/Qwen2.5-72B", 327_680),  # arXiv:2505.09343, table 1: 327.680 KB
        ("meta-llama/Llama-3.1-405B", 516_096),  # the same table: 516.096 KB
        ("tiiuae/falcon-7b", 8_192),  # one shared head of 64
        ("state-spaces/mamba-130m-hf", 0),
    ],
)
def test_bytes_a_token_as_published(model, token_bytes):
    assert kv_cache_of(skeleton_of(model)).token_bytes(BF16) == token_bytes


def test_mistral_reaches_131_thousand_tokens():
    """arXiv:2310.06825, section 2: with a window of 4096 over 32 layers, about 131K tokens."""
    assert kv_cache_of(skeleton_of("mistralai/Mistral-7B-v0.1")).reach == (32, 131_072)


def test_latent_attention_says_what_it_stands_for():
    """DeepSeek-V3: 128 heads with keys of 192 and values of 128."""
    cache = kv_cache_of(skeleton_of("deepseek-ai/DeepSeek-V2-Lite"))
    assert {layer.kind for layer in cache.layers} == {"latent"}
    assert cache.expanded == 16 * (128 + 64 + 128)


def test_gemma_3_alternates():
    cache = kv_cache_of(skeleton_of("google/gemma-3-1b-it"))
    assert [(run.layer.kind, run.count, run.layer.window) for run in cache.alike] == [
        ("sliding", 22, 512),
        ("full", 4, None),
    ]


TINY = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48}
HEADS = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CONFIGS = {
    "grouped": {**TINY, **HEADS, "model_type": "llama"},
    "windows": {**TINY, **HEADS, "model_type": "gemma2", "head_dim": 8, "sliding_window": 16},
    "all sliding": {**TINY, **HEADS, "model_type": "mistral", "sliding_window": 16},
    "states": {"model_type": "mamba", "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    "latent": {
        **TINY, **HEADS, "num_key_value_heads": 4, "model_type": "deepseek_v3", "q_lora_rank": 16, "kv_lora_rank": 16,
        "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8, "first_k_dense_replace": 2,
        "n_routed_experts": 4, "moe_intermediate_size": 16, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 2,
    },
    "hybrid": {
        **TINY, **HEADS, "model_type": "qwen3_next", "layer_types": ["linear_attention", "full_attention"],
        "head_dim": 8, "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 8,
        "linear_value_head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16, "decoder_sparse_step": 1,
    },
    "states beside the layers": {
        **TINY, **HEADS, "model_type": "minimax", "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2,
        "block_size": 4, "num_hidden_layers": 3,
        "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    },
    "encoder and decoder": {
        "model_type": "t5", "vocab_size": 64, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4,
    },
}  # fmt: skip


def tensors(cache):
    """Every tensor that a cache of transformers keeps on its layers."""
    inner = [
        getattr(cache, n) for n in ("self_attention_cache", "cross_attention_cache") if hasattr(cache, n)
    ]
    for layer in (layer for part in inner or [cache] for layer in part.layers):
        for name in ("keys", "values", "indexer_keys"):
            if getattr(layer, name, None) is not None:
                yield getattr(layer, name)
        for name in ("conv_states", "recurrent_states"):
            yield from (state for state in getattr(layer, name, {}).values() if state is not None)
    yield from (state for state in getattr(cache, "linear_cache", ()) if isinstance(state, torch.Tensor))


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("tokens", [8, 24])
def test_a_real_cache_holds_as_much(kind, tokens):
    """Real weights, real tokens, in float32; a full window of transformers holds one token less, the next one being new."""
    skeleton = skeleton_of(CONFIGS[kind], dtype="float32")
    cache = kv_cache_of(skeleton)
    torch.manual_seed(0)
    model = type(skeleton.model)(skeleton.config).eval()
    ids = torch.randint(3, 64, (1, tokens))
    inputs = {"decoder_input_ids": ids} if skeleton.config.is_encoder_decoder else {}
    with torch.no_grad():
        out = model(input_ids=ids, use_cache=True, **inputs)
    real = getattr(out, "past_key_values", None) or out.cache_params
    held = sum(tensor.numel() * tensor.element_size() for tensor in tensors(real) if tensor.dim() > 1)
    full_windows = sum(
        4 * layer.token_elements
        for layer in cache.layers
        if layer.window is not None and layer.window <= tokens
    )
    assert cache.bytes_for(tokens, 1, BY_NAME["fp32"]) == held + full_windows
    assert held


def test_what_a_cache_keeps_in_a_way_of_its_own_is_refused(monkeypatch):
    """Not left out: a number without it would be wrong."""
    update = transformers.DynamicCache.update

    def remembers(self, *args, **kwargs):
        self.sums = [torch.empty(4, device="meta")]
        return update(self, *args, **kwargs)

    monkeypatch.setattr(transformers.DynamicCache, "update", remembers)
    with pytest.raises(ArchitectureError, match="DynamicCache keeps tensors in `sums`"):
        kv_cache_of(skeleton_of(CONFIGS["grouped"]))


def test_tokens_of_the_models_own_are_not_taken_for_the_texts():
    """CPM-Ant puts 32 prompt tokens before every text: five times as much for each of eight tokens would be wrong."""
    config = {
        "model_type": "cpmant",
        "vocab_size": 64,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "dim_ff": 48,
    }
    with pytest.raises(ArchitectureError, match="Of 8 tokens its layers keep keys of 40"):
        kv_cache_of(skeleton_of({**config, "num_attention_heads": 2, "dim_head": 16}))


@pytest.mark.parametrize("model", ["google-bert/bert-base-uncased", "google/vit-base-patch16-224"])
def test_what_writes_no_text_keeps_no_cache(model):
    with pytest.raises(ArchitectureError, match="keeps no cache"):
        kv_cache_of(skeleton_of(model))
