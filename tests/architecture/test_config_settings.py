"""Facts set by hand that the model's class does not know."""

from dataclasses import replace

import pytest

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.skeleton import build_skeleton
from anatomy.errors import ArchitectureError

TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "vocab_size": 48}
LLAMA = {"model_type": "llama", **TINY, "num_attention_heads": 4}
QWEN2 = {**LLAMA, "model_type": "qwen2", "num_key_value_heads": 4}
GPT2 = {"model_type": "gpt2", "n_embd": 32, "n_layer": 4, "vocab_size": 48}
GEMMA3 = {"model_type": "gemma3", "text_config": {**TINY, "model_type": "gemma3_text"}}


@pytest.fixture
def build(blueprint_of):
    """Build a config after setting facts by hand, top-level or one level deep."""

    def make(config, **overrides):
        config = {k: dict(v) if isinstance(v, dict) else v for k, v in config.items()}
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        for key, value in dotted.items():
            *parents, last = key.split(".")
            (config[parents[0]] if parents else config)[last] = value
        return build_skeleton(replace(blueprint_of(config), overrides=dotted))

    return make


@pytest.mark.parametrize(
    ("config", "overrides", "meant"),
    [
        (LLAMA, {"num_hiden_layers": 2}, "num_hidden_layers"),
        (LLAMA, {"n_layer": 2}, "num_hidden_layers"),
        (GPT2, {"tie_word_embedding": False}, "tie_word_embeddings"),
        (GEMMA3, {"num_attention_heads": 2}, "text_config.num_attention_heads"),
        (GEMMA3, {"text_config__num_heads": 2}, "text_config.num_attention_heads"),
        (LLAMA, {"zorg": 2}, "LlamaConfig"),
    ],
)
def test_a_key_that_means_nothing_is_refused_with_what_may_be_meant(config, overrides, meant, build):
    with pytest.raises(ArchitectureError, match="has no setting") as caught:
        build(config, **overrides)
    assert meant in str(caught.value.hint)


@pytest.mark.parametrize(
    ("config", "overrides"),
    [
        (LLAMA, {"num_key_value_heads": 2}),
        (LLAMA, {"rope_theta": 5e5}),
        (LLAMA, {"torch_dtype": "bfloat16"}),
        (LLAMA, {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
        (LLAMA, {"architectures": ["LlamaModel"]}),
        (GEMMA3, {"text_config__head_dim": 8}),
    ],
)
def test_keys_that_the_class_declares_or_understands_pass(config, overrides, build):
    build(config, **overrides)


def test_a_key_that_only_the_models_code_reads_passes_and_counts(build):
    """Qwen2's config declares no head_dim, but its attention asks for one."""
    assert not hasattr(build(QWEN2).config, "head_dim")
    assert build(QWEN2, head_dim=16).model.model.layers[0].self_attn.q_proj.out_features == 64


@pytest.mark.parametrize("key", ["n_layer", "num_hidden_layers"])
@pytest.mark.parametrize("listed", ["n_layer", "num_hidden_layers"])
def test_the_spelling_that_was_typed_wins(key, listed, build):
    config = {"model_type": "gpt2", "n_embd": 24, "vocab_size": 48, listed: 4}
    assert len(build(config, **{key: 2}).model.transformer.h) == 2


def test_without_a_class_it_is_said(blueprint_of):
    blueprint = blueprint_of({"model_type": "nowhere"}, [("lm_head.weight", (4, 2))])
    counted = anatomy_from(replace(blueprint, overrides={"rope_theta": 1.0}))
    assert any("rope_theta" in note and "by hand" in note for note in counted.notes)
