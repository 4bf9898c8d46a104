"""What a checkpoint stores beside what its model holds, to the integer.

The stored totals are `safetensors.total` of the models' pages at huggingface.co; the layouts of the checkpoints are
rebuilt here from the models' own shapes and what is known to be stored besides.
"""

import pytest

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.skeleton import build_skeleton

GPT2 = {"model_type": "gpt2"}
FLAN_T5_BASE = {
    "model_type": "t5",
    "d_model": 768,
    "d_ff": 2048,
    "num_layers": 12,
    "num_heads": 12,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
}


def layout(blueprint, buffers=True):
    """The model's own parameters and persistent buffers as (name, shape)."""
    model = build_skeleton(blueprint).model
    names = dict(model.named_parameters()).keys()
    kept = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    stored = [(name, kept[name]) for name in names]
    if buffers:
        stored += [(name, tuple(b.shape)) for name, b in model.named_buffers() if name in kept]
    return stored


def check(anatomy, stored, items):
    assert anatomy.stored.elements == stored
    assert dict(anatomy.stored.difference) == items
    assert anatomy.total + sum(items.values()) == stored


def separate_experts(tensors):
    """Fused experts as published checkpoints store them: one matrix an expert."""
    for name, shape in tensors:
        stem, _, last = name.rpartition(".")
        if last == "gate_up_proj" and len(shape) == 3:
            for expert in range(shape[0]):
                yield f"{stem}.{expert}.gate_proj.weight", (shape[1] // 2, shape[2])
                yield f"{stem}.{expert}.up_proj.weight", (shape[1] // 2, shape[2])
        elif last == "down_proj" and len(shape) == 3:
            yield from ((f"{stem}.{expert}.down_proj.weight", shape[1:]) for expert in range(shape[0]))
        else:
            yield name, shape


def in_fp8(tensors, kept=("embed", "head", "mlp.gate.", "eh_proj")):
    """Every linear weight in 8 bits with a scale for each 128 x 128 block."""
    for name, shape in tensors:
        if len(shape) == 2 and not any(word in name for word in kept):
            yield name, shape, "F8_E4M3"
            yield f"{name}_scale_inv", tuple(-(-n // 128) for n in shape), "F32"
        else:
            yield name, shape


def test_deepseek_v3(blueprint_of):
    """684,531,386,000 stored: parameters, gate biases, the prediction layer, FP8 scales."""
    config = {"model_type": "deepseek_v3", "num_nextn_predict_layers": 1, "vocab_size": 129280}
    own = list(separate_experts(layout(blueprint_of(config))))
    extra = [(name.replace(".60.", ".61."), shape) for name, shape in own if ".layers.60." in name]
    width, vocabulary = 7168, 129280
    for name, shape in {
        "embed_tokens": (vocabulary, width),
        "enorm": (width,),
        "hnorm": (width,),
        "eh_proj": (width, 2 * width),
        "shared_head.norm": (width,),
        "shared_head.head": (vocabulary, width),
    }.items():
        extra.append((f"model.layers.61.{name}.weight", shape))
    anatomy = anatomy_from(blueprint_of(config, in_fp8([*own, *extra])))
    assert anatomy.total == 671_026_404_352
    check(
        anatomy,
        684_531_386_000,
        {
            "buffers: gate.e_score_correction_bias": 14_848,
            "prediction layers that the class does not build": 13_463_426_304,
            "scales and other data of quantized weights": 41_540_496,
        },
    )


@pytest.mark.parametrize(
    ("config", "stored", "again"),
    [
        (  # Qwen3-0.6B
            {
                "model_type": "qwen3",
                "hidden_size": 1024,
                "intermediate_size": 3072,
                "num_hidden_layers": 28,
                "num_attention_heads": 16,
                "num_key_value_heads": 8,
                "tie_word_embeddings": True,
            },
            751_632_384,
            155_582_464,
        ),
        ({"model_type": "falcon"}, 7_217_189_760, 295_469_056),  # falcon-7b is the class's default
    ],
)
def test_tied_head_stored_again(config, stored, again, blueprint_of):
    own = layout(blueprint_of(config))
    table = next(shape for name, shape in own if "embed" in name)
    anatomy = anatomy_from(blueprint_of(config, [*own, ("lm_head.weight", table)]))
    assert "head" not in anatomy.by_component
    check(anatomy, stored, {"tied weight stored again: lm_head.weight": again})


def test_only_the_tied_alias_is_stored(blueprint_of):
    own = [("lm_head.weight" if "wte" in n else n, shape) for n, shape in layout(blueprint_of(GPT2))]
    check(anatomy_from(blueprint_of(GPT2, own)), 124_439_808, {})


def test_gpt2_masks_and_missing_prefix(blueprint_of):
    """137,022,720 stored: 124,439,808 parameters and twelve causal masks of 1024 x 1024."""
    own = [(name.removeprefix("transformer."), shape) for name, shape in layout(blueprint_of(GPT2))]
    masks = [(f"h.{layer}.attn.bias", (1, 1, 1024, 1024)) for layer in range(12)]
    check(anatomy_from(blueprint_of(GPT2, [*own, *masks])), 137_022_720, {"buffers: attn.bias": 12_582_912})


def test_llama2_rotary_frequencies(blueprint_of):
    config = {"model_type": "llama"}
    frequencies = [(f"model.layers.{layer}.self_attn.rotary_emb.inv_freq", (64,)) for layer in range(32)]
    anatomy = anatomy_from(blueprint_of(config, [*layout(blueprint_of(config)), *frequencies]))
    check(anatomy, 6_738_417_664, {"buffers: rotary_emb.inv_freq": 2_048})


def test_bert_file_has_two_heads_more(blueprint_of):
    """bert-base-uncased names BertForMaskedLM, but its file is the pre-training model in the old spelling."""
    config = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
    own = [
        (
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
            shape,
        )
        for name, shape in layout(blueprint_of(config), buffers=False)
    ]
    more = [
        ("bert.pooler.dense.weight", (768, 768)),
        ("bert.pooler.dense.bias", (768,)),
        ("cls.seq_relationship.weight", (2, 768)),
        ("cls.seq_relationship.bias", (2,)),
    ]
    check(
        anatomy_from(blueprint_of(config, [*own, *more])),
        110_106_428,
        {
            "pooler: stored, not in the model (bert.pooler.dense)": 590_592,
            "head: stored, not in the model (cls.seq_relationship)": 1_538,
        },
    )


def test_missing_weights_are_negative(blueprint_of):
    own = [(name, shape) for name, shape in layout(blueprint_of(GPT2)) if ".h.11.mlp.c_fc" not in name]
    anatomy = anatomy_from(blueprint_of(GPT2, own))
    lost = 768 * 3072 + 3072
    check(
        anatomy,
        124_439_808 - lost,
        {"ffn.up: in the model, not stored (transformer.h.*.mlp.c_fc)": -lost},
    )


def test_persistent_buffers_are_known_without_headers(blueprint_of):
    config = {"model_type": "deepseek_v3", "num_hidden_layers": 4}
    anatomy = anatomy_from(blueprint_of(config))
    assert sum(anatomy.buffers.values()) == 256
    assert anatomy.stored is None
    assert anatomy.to_dict()["parameters"]["stored"] is None


def test_untied_t5_from_config_alone_gives_both_numbers(blueprint_of):
    """flan-t5-base has 247,577,856 parameters (its model card); transformers 5 builds its head tied."""
    anatomy = anatomy_from(blueprint_of(FLAN_T5_BASE))
    assert anatomy.total == 222_903_552
    assert [total for _, total in anatomy.also] == [247_577_856]
    assert any("247577856" in note for note in anatomy.notes)


def test_untied_t5_headers_decide(blueprint_of):
    own = layout(blueprint_of(FLAN_T5_BASE))
    anatomy = anatomy_from(blueprint_of(FLAN_T5_BASE, [*own, ("lm_head.weight", (32128, 768))]))
    assert anatomy.facts.tied is False
    assert anatomy.by_component["head"] == 24_674_304
    assert anatomy.also == ()
    check(anatomy, 247_577_856, {})


def test_bytes_and_dtypes(blueprint_of):
    anatomy = anatomy_from(
        blueprint_of(tensors=[("lm_head.weight", (4, 2), "F32"), ("norm.weight", (3,), "BF16")])
    )
    assert anatomy.stored.stored_bytes == 4 * 8 + 2 * 3
    assert anatomy.by_dtype == {"float32": 8, "bfloat16": 3}


def six_layers(blueprint_of, **config):
    """A checkpoint of six layers beside a config that counts three."""
    tiny = {"hidden_size": 32, "intermediate_size": 64, "vocab_size": 48, "num_attention_heads": 4}
    config = {"model_type": "llama", "tie_word_embeddings": False, **tiny, **config}
    stored = layout(blueprint_of({**config, "num_hidden_layers": 6}))
    layer = (32 * 32 * 4) + 3 * 32 * 64 + 2 * 32
    return {**config, "num_hidden_layers": 3}, stored, layer


def test_more_layers_than_the_config_counts_are_a_loud_contradiction(blueprint_of):
    config, stored, layer = six_layers(blueprint_of)
    anatomy = anatomy_from(blueprint_of(config, stored))
    check(
        anatomy,
        2 * 48 * 32 + 32 + 6 * layer,
        {"layers like the model's own, beyond the config's count": 3 * layer},
    )
    assert anatomy.stored.surplus == ("model.layers.3", "model.layers.4", "model.layers.5")
    (warning,) = [note for note in anatomy.notes if note.startswith("WARNING")]
    assert "counts 3 layers, but 3 more" in warning
    assert "model.layers.3 to model.layers.5" in warning


def test_layers_of_another_structure_are_prediction_layers(blueprint_of):
    config, stored, layer = six_layers(blueprint_of)
    stored = [(name, shape) for name, shape in stored if not any(f".{n}." in name for n in (4, 5))]
    stored += [("model.layers.3.eh_proj.weight", (32, 64)), ("model.layers.3.enorm.weight", (32,))]
    anatomy = anatomy_from(blueprint_of(config, stored))
    assert dict(anatomy.stored.difference) == {
        "prediction layers that the class does not build": layer + 32 * 64 + 32
    }
    assert not any("WARNING" in note for note in anatomy.notes)


def test_prediction_layers_that_the_config_names_are_no_contradiction(blueprint_of):
    config, stored, layer = six_layers(blueprint_of)
    anatomy = anatomy_from(blueprint_of({**config, "num_nextn_predict_layers": 2}, stored))
    assert dict(anatomy.stored.difference) == {
        "prediction layers that the class does not build": 2 * layer,
        "layers like the model's own, beyond the config's count": layer,
    }
    assert anatomy.stored.surplus == ("model.layers.5",)


@pytest.mark.parametrize("key", ["num_nextn_predict_layers", "num_mtp_modules"])
def test_prediction_layers_without_headers_are_said_to_be_missing(key, blueprint_of):
    """A published total counts them: DeepSeek-V3 is 671 billion parameters and 14 more with its prediction layer."""
    config = six_layers(blueprint_of)[0]
    (note,) = [n for n in anatomy_from(blueprint_of({**config, key: 1})).notes if "prediction" in n]
    assert note.startswith(f"The config names 1 further prediction layer ({key}: ")
    assert "LlamaForCausalLM does not hold: it is in no number here" in note


def test_prediction_layers_are_not_missed_without_reason(blueprint_of):
    """None where the config names none, and none where headers tell what is stored."""
    config, stored, _ = six_layers(blueprint_of)
    named = {**config, "num_nextn_predict_layers": 2}
    for described in (blueprint_of({**config, "num_nextn_predict_layers": 0}), blueprint_of(named, stored)):
        assert not any("further prediction" in note for note in anatomy_from(described).notes)
