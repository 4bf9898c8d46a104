"""LLaMA-Factory's keys, by what llamafactory 0.9.5 does with them."""

import pytest

from anatomy.errors import RecipeError

BASE = {"model_name_or_path": "org/model", "stage": "sft", "template": "llama3", "dataset": "identity"}


@pytest.mark.parametrize(
    ("said", "settings"),
    [
        ({}, {"method": "lora", "r": 8, "alpha": 16, "target_modules": "all-linear"}),
        ({"lora_rank": 64}, {"r": 64, "alpha": 128}),
        ({"lora_rank": 64, "lora_alpha": 16}, {"alpha": 16}),
        ({"lora_target": "q_proj, v_proj"}, {"target_modules": ("q_proj", "v_proj")}),
        ({"use_dora": True}, {"method": "dora"}),
        ({"use_rslora": True, "additional_target": "lm_head,embed_tokens"},
         {"peft": {"use_rslora": True, "modules_to_save": ["lm_head", "embed_tokens"]}}),
        ({"quantization_bit": 4}, {"method": "qlora", "quant_type": "nf4", "double_quant": True}),
        ({"quantization_bit": 8}, {"method": "qlora", "quant_type": "int8"}),
        ({"use_unsloth_gc": True}, {"checkpoint_offload": True}),
        ({"label_smoothing_factor": 0.1}, {"label_smoothing": 0.1}),
        ({"quantization_bit": 4, "double_quantization": False}, {"double_quant": False}),
        ({"quantization_bit": 4, "quantization_method": "hqq"}, {"method": "lora"}),
        ({"finetuning_type": "oft"}, {"method": "oft", "peft": {"r": 0, "oft_block_size": 32}}),
        ({"finetuning_type": "full", "bf16": True}, {"precision": "bf16-mixed", "load_dtype": None}),
        ({"finetuning_type": "full", "bf16": True, "pure_bf16": True}, {"load_dtype": "bf16"}),
        ({"finetuning_type": "full", "pure_bf16": True}, {"precision": "bf16", "load_dtype": None}),
        ({"finetuning_type": "full"}, {"precision": "fp32"}),
        ({"bf16": True}, {"precision": "bf16-mixed", "load_dtype": "bf16"}),
        ({"finetuning_type": "freeze", "freeze_trainable_layers": 4},
         {"method": "last-n", "last_n": 4, "train_head": False}),
        ({"finetuning_type": "freeze", "freeze_extra_modules": "lm_head"}, {"last_n": 2, "train_head": True}),
        ({"disable_gradient_checkpointing": True}, {"gradient_checkpointing": "off"}),
        ({"use_reentrant_gc": False}, {"gradient_checkpointing": "non-reentrant"}),
        ({"gradient_checkpointing": False}, {"gradient_checkpointing": "reentrant"}),  # its own keys decide
        ({"flash_attn": "fa2"}, {"attn": "flash_attention_2"}),
        ({"flash_attn": "disabled"}, {"attn": "eager"}),
        ({"flash_attn": "auto"}, {"attn": "sdpa"}),
        ({}, {"padded": True}),
        ({"packing": True}, {"padded": False}),
        ({"stage": "dpo"}, {"objective": "dpo"}),
        ({"stage": "pt"}, {"padded": False}),  # packs by itself
        ({"per_device_train_batch_size": 1}, {"batch_size": 1, "padded": False}),
    ],
)  # fmt: skip
def test_settings(reading, said, settings):
    recipe = reading({**BASE, **said}, "llamafactory").recipe
    assert {name: getattr(recipe, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({}, set()),
        ({"stage": "rm"}, {"stage"}),
        ({"stage": "dpo", "pref_loss": "orpo"}, {"stage"}),
        ({"quantization_bit": 4, "quantization_method": "hqq"}, {"quantization_bit", "quantization_method"}),
        ({"finetuning_type": "freeze"}, {"finetuning_type"}),
        (
            {"finetuning_type": "freeze", "pure_bf16": True, "freeze_trainable_layers": -2},
            {"freeze_trainable_layers"},
        ),
        ({"use_galore": True, "finetuning_type": "full"}, {"use_galore"}),
        ({"use_unsloth": True}, {"use_unsloth"}),
        ({"eval_strategy": "steps", "val_size": 0.1}, set()),
        ({"eval_strategy": "steps", "stage": "dpo"}, {"eval_strategy"}),
        ({"predict_with_generate": True}, {"predict_with_generate"}),
        ({"eval_strategy": "no"}, set()),
        ({"deepspeed": "ds_z3.json"}, {"deepspeed"}),
        ({"neftune_noise_alpha": 5}, {"neftune_noise_alpha"}),
        ({"freeze_vision_tower": False}, {"freeze_vision_tower"}),
    ],
)
def test_what_the_numbers_lack_is_named(reading, said, names):
    assert {key.name for key in reading({**BASE, **said}, "llamafactory").of("not modelled")} == names


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"finetuning_type": "galore"}, "LLaMA-Factory does not know"),
        ({"finetuning_type": "full", "quantization_bit": 4}, "LLaMA-Factory refuses"),
    ],
)
def test_impossible_runs_are_refused(reading, said, words):
    with pytest.raises(RecipeError, match=words):
        reading({**BASE, **said}, "llamafactory")
