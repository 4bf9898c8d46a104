"""What models keep, against published figures and against their real caches on the CPU."""

import pytest
import torch
import transformers
from sampling import sampled

from anatomy.architecture.skeleton import build_skeleton
from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import ArchitectureError
from anatomy.inference.cache import BY_NAME
from anatomy.rehearsal.cache_inputs import TOKENS, passes
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


def test_latents_may_differ_by_layer():
    """Dots 3's layers of windows and those of all tokens are compressed differently, with a rotary key of 64, some also indexed."""
    config = transformers.CONFIG_MAPPING["dots3_note"]()
    text = config.get_text_config()
    ranks = [text.per_layer_config[at].kv_lora_rank for at in range(text.num_hidden_layers)]
    described = {**config.to_dict(), "model_type": "dots3_note", "architectures": ["Dots3NoteForCausalLM"]}
    cache = kv_cache_of(skeleton_of(described))
    assert len({*ranks}) > 1
    index = [text.index_head_dim if layer.kind == "indexed latent" else 0 for layer in cache.layers]
    kept = [rank + 64 + keys for rank, keys in zip(ranks, index, strict=True)]
    assert [layer.token_elements for layer in cache.layers] == kept
    assert cache.expanded is None


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
@pytest.mark.parametrize("tokens", sampled([24, 8], 2))
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


AUDIO = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
DEPTHS = {
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
}
WIDTHS = {"encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
BERT = {**TINY, "num_attention_heads": 4, "pad_token_id": 0, "is_decoder": True}
BESIDE_TEXT = {
    "speech_to_text": {
        **AUDIO, **DEPTHS, **WIDTHS, "vocab_size": 64, "d_model": 32, "input_channels": 1, "conv_channels": 16,
        "architectures": ["Speech2TextForConditionalGeneration"],
    },
    "moonshine": {
        **AUDIO, "vocab_size": 64, "hidden_size": 32, "intermediate_size": 32, "encoder_num_hidden_layers": 1,
        "decoder_num_hidden_layers": 2, "encoder_num_attention_heads": 4, "decoder_num_attention_heads": 4,
        "architectures": ["MoonshineForConditionalGeneration"],
    },
    "seamless_m4t": {
        **AUDIO, **DEPTHS, **WIDTHS, "vocab_size": 64, "hidden_size": 32, "speech_encoder_layers": 1,
        "speech_encoder_attention_heads": 4, "speech_encoder_intermediate_size": 32,
        "architectures": ["SeamlessM4TForSpeechToText"],
    },
    "speecht5": {
        **AUDIO, **DEPTHS, **WIDTHS, "vocab_size": 64, "hidden_size": 32, "conv_dim": [16] * 7,
        "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "architectures": ["SpeechT5ForSpeechToText"],
    },
    "kyutai_speech_to_text": {
        **TINY, **HEADS, "num_key_value_heads": 4, "head_dim": 8, "ffn_dim": 48, "codebook_vocab_size": 65,
        "num_codebooks": 4, "sliding_window": 16, "audio_pad_token_id": 64, "audio_bos_token_id": 63, "architectures": ["KyutaiSpeechToTextForConditionalGeneration"],
    },
    "big_bird": {**BERT, "architectures": ["BigBirdForCausalLM"], "attention_type": "original_full"},
    "rembert": {**BERT, "architectures": ["RemBertForCausalLM"], "input_embedding_size": 16},
    "roformer": {**BERT, "architectures": ["RoFormerForCausalLM"]},
    "megatron-bert": {**BERT, "architectures": ["MegatronBertForCausalLM"]},
    "pix2struct": {
        "text_config": {"vocab_size": 64, "hidden_size": 32, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 4},
        "vision_config": {"hidden_size": 32, "d_ff": 32, "d_kv": 8, "num_hidden_layers": 1, "num_attention_heads": 4},
        "architectures": ["Pix2StructForConditionalGeneration"],
    },
}  # fmt: skip


def _real(skeleton):
    """The class with random weights."""
    torch.manual_seed(0)
    return type(skeleton.model)(skeleton.config).eval()


def _on_the_cpu(model, tokens):
    """A pass over the same sound or picture and as many tokens as asked."""
    (*_, ran) = passes(model)
    name = "decoder_input_ids" if model.config.is_encoder_decoder else "input_ids"
    ids = ran.batch[name].repeat(1, tokens // TOKENS, *[1] * (ran.batch[name].dim() - 2))
    batch = {key: value for key, value in ran.batch.items() if key not in ("attention_mask", name)}
    if model.config.is_encoder_decoder:
        batch |= {key: value for key, value in ran.batch.items() if key == "attention_mask"}
    with torch.no_grad():
        return model(**batch, **{name: ids}, use_cache=True)


@pytest.mark.parametrize("model_type", BESIDE_TEXT)
def test_a_real_cache_of_what_reads_sound_or_pictures_or_needs_a_mask(model_type):
    skeleton = skeleton_of({"model_type": model_type, **BESIDE_TEXT[model_type]}, dtype="float32")
    cache = kv_cache_of(skeleton)
    model = _real(skeleton)
    for tokens in (8, 24):
        real = _on_the_cpu(model, tokens).past_key_values
        held = sum(tensor.numel() * tensor.element_size() for tensor in tensors(real))
        windows = (layer for layer in cache.layers if layer.window is not None)
        full_windows = sum(4 * layer.token_elements for layer in windows if layer.window <= tokens)
        assert cache.bytes_for(tokens, 1, BY_NAME["fp32"]) == held + full_windows
    crossed = [layer for layer in cache.layers if layer.kind == "cross"]
    assert bool(crossed) == bool(cache.encoder_tokens) == any("The encoder's" in note for note in cache.notes)


def test_states_that_a_class_returns():
    """RWKV keeps five numbers for each channel and layer, whatever the context (arXiv:2305.13048, appendix D)."""
    config = {"model_type": "rwkv", "architectures": ["RwkvForCausalLM"], "vocab_size": 64, "hidden_size": 32}
    skeleton = skeleton_of({**config, "num_hidden_layers": 3, "context_length": 32}, dtype="float32")
    cache = kv_cache_of(skeleton)
    out = _on_the_cpu(_real(skeleton), 24)
    assert cache.state_bytes == sum(t.numel() * t.element_size() for t in out.state) == 3 * 5 * 32 * 4
    assert cache.bytes_for(1, 1, BY_NAME["fp32"]) == cache.bytes_for(100, 1, BY_NAME["fp32"])


@pytest.mark.parametrize("tokens", [8, 24])
def test_states_that_stay_in_modules(tokens):
    """Griffin: two recurrent blocks, then one of local attention (arXiv:2402.19427, section 2.3)."""
    config = {
        **TINY, "model_type": "recurrent_gemma", "architectures": ["RecurrentGemmaForCausalLM"], "pad_token_id": 0,
        "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 1, "lru_width": 32, "head_dim": 8,
        "attention_window_size": 16,
    }  # fmt: skip
    skeleton = skeleton_of(config, dtype="float32")
    cache = kv_cache_of(skeleton)
    assert [layer.kind for layer in cache.layers] == ["state", "state", "sliding"]
    model = _real(skeleton)
    real = transformers.DynamicCache(config=skeleton.config)
    with torch.no_grad():
        model(input_ids=torch.ones((1, tokens), dtype=torch.long), use_cache=True, past_key_values=real)
    blocks = [layer.temporal_block for layer in model.model.layers[:2]]
    states = [state for block in blocks for state in (block.conv1d_state, block.rg_lru.recurrent_states)]
    held = sum(tensor.numel() * tensor.element_size() for tensor in (*states, *tensors(real)))
    assert held + (4 * 2 * 8 if tokens > 16 else 0) == cache.bytes_for(tokens, 1, BY_NAME["fp32"])


def test_a_decoder_that_is_not_used_as_one_keeps_no_cache():
    """transformers' BERTs write token by token where their config says is_decoder."""
    skeleton = skeleton_of(
        {**BERT, "model_type": "roformer", "is_decoder": False, "architectures": ["RoFormerForCausalLM"]}
    )
    with pytest.raises(ArchitectureError, match="RoFormerForCausalLM keeps no cache"):
        kv_cache_of(skeleton)
