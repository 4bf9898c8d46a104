"""TRL's arguments by what trl 1.16.0 does with them, TrainingArguments, and accelerate's config."""

import pytest

from anatomy.errors import RecipeError

TRL = {"model_name_or_path": "org/model", "dataset_name": "org/data"}
PEFT = {**TRL, "use_peft": True}


@pytest.mark.parametrize(
    ("base", "said", "settings"),
    [
        (TRL, {}, {"method": "full", "precision": "bf16-mixed", "load_dtype": None}),
        (TRL, {"dtype": "bfloat16"}, {"load_dtype": "bf16"}),
        (TRL, {"torch_dtype": "bfloat16"}, {"load_dtype": "bf16"}),  # its older name
        (TRL, {"model_init_kwargs": {"dtype": "bfloat16"}}, {"load_dtype": "bf16"}),
        (TRL, {"model_init_kwargs": '{"dtype": "bfloat16"}'}, {"load_dtype": "bf16"}),  # JSON in a string
        (
            TRL,
            {"gradient_checkpointing_kwargs": '{"use_reentrant": true}'},
            {"gradient_checkpointing": "reentrant"},
        ),
        (TRL, {"bf16": False, "dtype": "bfloat16"}, {"precision": "bf16"}),
        (TRL, {"fp16": True}, {"precision": "fp16-mixed"}),
        (TRL, {"bf16": False}, {"precision": "fp32"}),
        (
            {"packing": True, "max_length": 512},
            {},
            {"load_dtype": "bf16"},
        ),  # a trainer's arguments alone: as stored
        (
            PEFT,
            {},
            {"method": "lora", "r": 16, "alpha": 32, "dropout": 0.05, "target_modules": "peft-default"},
        ),
        (PEFT, {"lora_target_modules": "all-linear"}, {"target_modules": "all-linear"}),
        (PEFT, {"lora_target_modules": ["all-linear"]}, {"target_modules": "all-linear"}),
        (PEFT, {"lora_target_modules": ["q_proj", "v_proj"]}, {"target_modules": ("q_proj", "v_proj")}),
        (PEFT, {"load_in_4bit": True}, {"method": "qlora", "quant_type": "nf4", "double_quant": False}),
        (PEFT, {"load_in_4bit": True, "use_bnb_nested_quant": True}, {"double_quant": True}),
        (PEFT, {"load_in_8bit": True}, {"method": "qlora", "quant_type": "int8", "adapter_dtype": "bf16"}),
        (PEFT, {"load_in_4bit": True}, {"adapter_dtype": "bf16", "kbit_prepare": "off"}),
        (PEFT, {}, {"adapter_dtype": "peft"}),
        (TRL, {"gradient_checkpointing_kwargs": {"every_n_layers": 2}}, {"checkpoint_every": 2}),
        (TRL, {"gradient_checkpointing_kwargs": {"offload": True}}, {"checkpoint_offload": True}),
        (PEFT, {"use_dora": True}, {"method": "dora"}),
        (PEFT, {"max_seq_length": 256}, {"seq_len": 256}),
        (TRL, {"packing": True}, {"padded": False}),
        (TRL, {"padding_free": True}, {"padded": False, "padding_free": True}),
        (TRL, {}, {"padded": True}),
        (TRL, {"gradient_checkpointing": False}, {"gradient_checkpointing": "off"}),
        (TRL, {"attn_implementation": "kernels-community/flash-attn2"}, {"attn": "flash_attention_2"}),
    ],
)
def test_settings_of_trl(reading, base, said, settings):
    recipe = reading({**base, **said}, "trl").recipe
    assert {name: getattr(recipe, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("base", "said", "names"),
    [
        (TRL, {}, {"loss_type"}),  # its loss holds no logits, told or not
        (TRL, {"beta": 0.1}, {"beta", "loss_type"}),
        (TRL, {"label_smoothing_factor": 0.1}, {"label_smoothing_factor"}),
        (PEFT, {"load_in_4bit": True, "dtype": "bfloat16"}, {"loss_type"}),
        (TRL, {"env": {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}}, {"env", "loss_type"}),
        (TRL, {"env": {"WANDB_PROJECT": "x"}}, {"loss_type"}),
        (TRL, {"gradient_checkpointing_kwargs": {"use_reentrant": False}}, {"loss_type"}),
        (TRL, {"model_init_kwargs": '{"use_kernels": true}'}, {"model_init_kwargs", "loss_type"}),
        (TRL, {"gradient_checkpointing_kwargs": {"selective": True}}, {"gradient_checkpointing_kwargs", "loss_type"}),
    ],
)  # fmt: skip
def test_what_trl_does_beside_is_named(reading, base, said, names):
    assert {key.name for key in reading({**base, **said}, "trl").of("not modelled")} == names


def test_four_bits_in_fp32_are_said(reading):
    texts = reading({**PEFT, "load_in_4bit": True}, "trl").not_modelled
    assert any("compute in fp32" in text for text in texts)


def test_four_bits_without_adapters_are_refused(reading):
    with pytest.raises(RecipeError, match="cannot be trained"):
        reading({**TRL, "load_in_4bit": True}, "trl")


@pytest.mark.parametrize(
    ("said", "settings"),
    [
        ({}, {"method": "full", "batch_size": 8, "precision": "bf16", "gradient_checkpointing": "off"}),
        ({"bf16": True}, {"precision": "bf16-mixed", "load_dtype": "bf16"}),
        ({"activation_checkpointing": True}, {"gradient_checkpointing": "non-reentrant"}),
        ({"gradient_checkpointing": True}, {"gradient_checkpointing": "non-reentrant"}),
        (
            {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}},
            {"gradient_checkpointing": "reentrant"},
        ),
        ({"per_gpu_train_batch_size": 2}, {"batch_size": 2}),
        ({"optim": "adafactor", "max_grad_norm": 0.5}, {"optimizer": "adafactor", "max_grad_norm": 0.5}),
        (
            {"optim": "galore_adamw", "optim_args": "rank=64", "optim_target_modules": "all-linear"},
            {"optim_args": "rank=64", "optim_target_modules": "all-linear"},
        ),
    ],
)
def test_settings_of_transformers(reading, said, settings):
    recipe = reading({"output_dir": "out", **said}, "transformers").recipe
    assert {name: getattr(recipe, name) for name in settings} == settings


@pytest.mark.parametrize(
    ("said", "settings", "names"),
    [
        ({"mixed_precision": "bf16"}, {"precision": "bf16-mixed"}, set()),
        ({"mixed_precision": "fp16"}, {"precision": "fp16-mixed"}, set()),
        ({"mixed_precision": "no"}, {"precision": "bf16"}, set()),
        ({"mixed_precision": "fp8"}, {"precision": "bf16"}, {"mixed_precision"}),
        ({"distributed_type": "FSDP", "fsdp_config": {"fsdp_version": 2}}, {}, {"distributed_type", "fsdp_config"}),
        ({"distributed_type": "MULTI_GPU", "num_processes": 8}, {}, {"distributed_type", "num_processes"}),
    ],
)  # fmt: skip
def test_accelerates_config(reading, said, settings, names):
    found = reading({"compute_environment": "LOCAL_MACHINE", "distributed_type": "NO", **said}, "accelerate")
    assert {name: getattr(found.recipe, name) for name in settings} == settings
    assert {key.name for key in found.of("not modelled")} == names
