"""axolotl's keys, by what axolotl 0.19.0 does with them."""

import pytest

from anatomy.errors import RecipeError

QLORA = {
    "base_model": "org/model",
    "adapter": "qlora",
    "load_in_4bit": True,
    "sequence_len": 512,
    "lora_r": 8,
}
LORA = {"base_model": "org/model", "adapter": "lora", "sequence_len": 512, "lora_r": 8}
FULL = {"base_model": "org/model", "sequence_len": 512, "micro_batch_size": 1}


@pytest.mark.parametrize(
    ("base", "said", "settings"),
    [
        (FULL, {}, {"method": "full"}),
        (LORA, {}, {"method": "lora", "precision": "bf16-mixed", "load_dtype": "bf16"}),
        (LORA, {"peft_use_dora": True}, {"method": "dora"}),
        (LORA, {"load_in_4bit": True}, {"method": "lora"}),  # only adapter: qlora quantizes to 4 bits
        (QLORA, {}, {"method": "qlora", "quant_type": "nf4", "double_quant": True, "kbit_prepare": "off"}),
        (QLORA, {"peft_use_dora": True}, {"method": "qdora"}),
        (
            QLORA,
            {"bnb_config_kwargs": {"bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": False}},
            {"quant_type": "fp4", "double_quant": False},
        ),
        (LORA, {"load_in_8bit": True}, {"method": "qlora", "quant_type": "int8", "load_dtype": "bf16"}),
        (LORA, {"peft_autocast_adapter_dtype": False}, {"adapter_dtype": "base"}),
        (QLORA, {"bnb_config_kwargs": {"llm_int8_skip_modules": ["out_proj"]}}, {"quant_skip": ("out_proj",)}),
        (QLORA, {}, {"quant_storage": "bfloat16", "adapter_dtype": "peft"}),
        (FULL, {"gradient_checkpointing": True, "activation_offloading": True}, {"checkpoint_offload": True}),
        (LORA, {"gradient_checkpointing": True, "activation_offloading": True}, {"checkpoint_offload": False}),
        (LORA, {"gradient_checkpointing": "unsloth"}, {"checkpoint_offload": True}),
        (LORA, {"lora_target_linear": True}, {"target_modules": "all-linear"}),
        (LORA, {"lora_target_modules": ["q_proj", "v_proj"]}, {"target_modules": ("q_proj", "v_proj")}),
        (LORA, {"lora_target_modules": r".*\.q_proj"}, {"target_modules": r".*\.q_proj"}),
        (LORA, {"lora_modules_to_save": ["lm_head"]}, {"peft": {"modules_to_save": ["lm_head"]}}),
        (
            LORA,
            {"peft_use_rslora": True, "lora_rank_pattern": {"q_proj": 4}},
            {"peft": {"use_rslora": True, "rank_pattern": {"q_proj": 4}}},
        ),
        (LORA, {"lora_dropout": "5e-2"}, {"dropout": 0.05}),  # YAML 1.1 reads 5e-2 as text
        (LORA, {"bf16": False, "fp16": True}, {"precision": "fp16-mixed", "load_dtype": "fp16"}),
        (LORA, {"bf16": "auto", "fp16": True}, {"precision": "fp16-mixed", "load_dtype": "fp16"}),
        (LORA, {"bf16": False}, {"precision": "fp32"}),
        (FULL, {"bf16": "full"}, {"precision": "bf16", "load_dtype": None}),
        (FULL, {"bf16": False, "bfloat16": True}, {"precision": "bf16-mixed", "load_dtype": "bf16"}),
        (FULL, {"chunked_cross_entropy": True}, {"loss": "chunked-compiled"}),
        (FULL, {"rl": "dpo"}, {"objective": "dpo"}),
        (FULL, {}, {"loss": "stock"}),
        (FULL, {"gradient_checkpointing": True}, {"gradient_checkpointing": "non-reentrant"}),
        (FULL, {}, {"gradient_checkpointing": "off"}),
        (
            FULL,
            {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}},
            {"gradient_checkpointing": "reentrant"},
        ),
        (FULL, {"flash_attention": True}, {"attn": "flash_attention_2"}),
        (FULL, {"eager_attention": True}, {"attn": "eager"}),
        (FULL, {"attn_implementation": "sdpa"}, {"attn": "sdpa"}),
        (FULL, {"micro_batch_size": 4}, {"batch_size": 4, "padded": True}),
        (FULL, {"micro_batch_size": 4, "sample_packing": True}, {"padded": False}),
        (FULL, {"pad_to_sequence_len": True}, {"padded": True}),
        (FULL, {"micro_batch_size": 2, "batch_size": 16}, {"grad_accum": 8}),
        (FULL, {"weight_decay": 0.1, "optimizer": "sgd"}, {"weight_decay": 0.1, "optimizer": "sgd"}),
        (
            FULL,
            {"optimizer": "galore_adamw", "optim_args": {"rank": 64}, "optim_target_modules": ["mlp"]},
            {"optim_args": "rank=64", "optim_target_modules": ("mlp",)},
        ),
    ],
)  # fmt: skip
def test_settings(reading, base, said, settings):
    recipe = reading({**base, **said}, "axolotl").recipe
    assert {name: getattr(recipe, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("base", "said", "names"),
    [
        (LORA, {}, {"lora_mlp_kernel"}),  # switched on by itself
        (LORA, {"lora_mlp_kernel": False}, set()),
        (LORA, {"trust_remote_code": True}, set()),
        (LORA, {"load_in_8bit": True}, set()),  # and no fused kernels
        (LORA, {"load_in_8bit": True, "activation_offloading": True}, {"activation_offloading"}),
        (FULL, {"load_in_8bit": True, "flash_attention": True}, set()),  # without an adapter it does nothing
        (FULL, {}, {"attn_implementation"}),  # norms and embeddings stay in fp32
        (FULL, {"bf16": False}, set()),
        (FULL, {"flash_attention": True}, set()),
        (FULL, {"flash_attention": True, "rl": "kto"}, {"rl"}),
        (FULL, {"flash_attention": True, "val_set_size": 0.0}, set()),
        (FULL, {"flash_attention": True, "val_set_size": 0.1}, set()),
        (FULL, {"flash_attention": True, "val_set_size": 0.1, "rl": "dpo"}, {"val_set_size"}),
        (FULL, {"flash_attention": True, "fsdp_config": {"offload_params": True}}, {"fsdp_config"}),
        (FULL, {"flash_attention": True, "tensor_parallel_size": 1}, set()),
        (FULL, {"flash_attention": True, "tensor_parallel_size": 2}, {"tensor_parallel_size"}),
        (FULL, {"flash_attention": True, "liger_rope": True}, {"liger_rope"}),
        (
            FULL,
            {"flash_attention": True, "plugins": ["axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin"]},
            {"plugins"},
        ),
        (FULL, {"flash_attention": True, "optimizer": "came_pytorch"}, {"optimizer"}),
        (FULL, {"attn_implementation": "flex_attention"}, {"attn_implementation"}),
        (FULL, {"flash_attention": True, "gradient_checkpointing": "offload"}, set()),
    ],
)  # fmt: skip
def test_what_the_numbers_lack_is_named(reading, base, said, names):
    found = reading({**base, **said}, "axolotl")
    assert {key.name for key in found.of("not modelled")} == names
    assert all(any(name in text for text in found.not_modelled) for name in names)
    assert len(found.warnings) == bool(names)


def test_the_model_its_revision_and_its_settings_come_from_the_file(reading):
    found = reading(
        {**FULL, "revision_of_model": "abc", "overrides_of_model_config": {"num_hidden_layers": 2}}, "axolotl"
    )
    assert (found.model, found.revision) == ("org/model", "abc")
    assert found.overrides == {"num_hidden_layers": 2}
    assert reading({**FULL, "model_revision": "abc"}, "axolotl").revision == "abc"


def test_keys_of_adapters_do_nothing_without_one(reading):
    found = reading(
        {**FULL, "lora_r": 64, "lora_target_linear": True, "lora_modules_to_save": ["lm_head"]}, "axolotl"
    )
    assert {"lora_r", "lora_target_linear", "lora_modules_to_save"} <= {k.name for k in found.of("ignored")}
    assert "r" not in found.given


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"adapter": "qlora"}, "without load_in_4bit"),
        ({"adapter": "ia3"}, "none of axolotl's own"),
        ({"micro_batch_size": "auto"}, "micro_batch_size is 'auto', but must be an integer"),
        ({"micro_batch_size": 2.5}, "must be an integer"),
        ({"max_grad_norm": "large"}, "must be a number"),
        ({"base_model": 7}, "base_model is 7"),
        ({"sequence_len": 0}, "seq_len is 0"),
        ({"adapter": "lora", "lora_target_modules": {"q": 1}}, "must be a list of names"),
    ],
)
def test_impossible_values_are_refused_by_key_and_file(reading, said, words):
    with pytest.raises(RecipeError) as caught:
        reading({**FULL, **said}, "axolotl")
    assert words in caught.value.message
    assert "settings.yaml" in caught.value.message
