"""One run, written for each trainer, as TOML and as flags: the same recipe, and the same bytes."""

import json
from dataclasses import replace

import pytest
from tiny_models import TINY_LLAMA

from anatomy import api
from anatomy.cli.recipe_options import recipe_options
from anatomy.planning.settings import complete, recipe_from_toml, recipe_to_toml

GPU = "A100 80GB SXM"
WAYS = ("axolotl", "llamafactory", "trl", "toml", "flags")

LORA = {
    "axolotl": """
        base_model: tiny
        adapter: lora
        lora_r: 8
        lora_alpha: 16
        lora_dropout: 0.1
        lora_target_modules: [q_proj, v_proj]
        sequence_len: 32
        sample_packing: true
        micro_batch_size: 2
        gradient_accumulation_steps: 2
        optimizer: adamw_torch
        bf16: true
        gradient_checkpointing: true
        attn_implementation: sdpa
    """,
    "llamafactory": """
        model_name_or_path: tiny
        finetuning_type: lora
        lora_rank: 8
        lora_alpha: 16
        lora_dropout: 0.1
        lora_target: q_proj,v_proj
        template: llama3
        cutoff_len: 32
        packing: true
        per_device_train_batch_size: 2
        gradient_accumulation_steps: 2
        optim: adamw_torch
        bf16: true
        use_reentrant_gc: false
        flash_attn: sdpa
    """,
    "trl": """
        model_name_or_path: tiny
        dtype: bfloat16
        attn_implementation: sdpa
        use_peft: true
        lora_r: 8
        lora_alpha: 16
        lora_dropout: 0.1
        lora_target_modules: [q_proj, v_proj]
        max_length: 32
        packing: true
        per_device_train_batch_size: 2
        gradient_accumulation_steps: 2
        optim: adamw_torch
        bf16: true
    """,
    "toml": """
        method = "lora"
        r = 8
        alpha = 16
        dropout = 0.1
        target_modules = ["q_proj", "v_proj"]
        seq_len = 32
        batch_size = 2
        grad_accum = 2
        optimizer = "adamw_torch"
        precision = "bf16-mixed"
        load_dtype = "bf16"
    """,
    "flags": "--method lora --r 8 --alpha 16 --dropout 0.1 --target-modules q_proj,v_proj --seq-len 32 --batch-size 2 "
    "--grad-accum 2 --optimizer adamw_torch --precision bf16-mixed --load-dtype bf16",
}
QLORA = {
    "axolotl": """
        base_model: tiny
        adapter: qlora
        load_in_4bit: true
        lora_r: 4
        lora_alpha: 8
        lora_target_linear: true
        sequence_len: 32
        micro_batch_size: 1
        optimizer: adamw_bnb_8bit
        bf16: auto
        weight_decay: 0.01
        max_grad_norm: 0.3
    """,
    "llamafactory": """
        model_name_or_path: tiny
        quantization_bit: 4
        lora_rank: 4
        lora_alpha: 8
        lora_target: all
        template: llama3
        cutoff_len: 32
        per_device_train_batch_size: 1
        optim: adamw_bnb_8bit
        bf16: true
        weight_decay: 0.01
        max_grad_norm: 0.3
        disable_gradient_checkpointing: true
    """,
    "trl": """
        model_name_or_path: tiny
        dtype: bfloat16
        use_peft: true
        load_in_4bit: true
        use_bnb_nested_quant: true
        bnb_4bit_quant_storage: bfloat16
        lora_r: 4
        lora_alpha: 8
        lora_dropout: 0
        lora_target_modules: all-linear
        max_length: 32
        per_device_train_batch_size: 1
        optim: adamw_bnb_8bit
        weight_decay: 0.01
        max_grad_norm: 0.3
        gradient_checkpointing: false
    """,
    "toml": """
        method = "qlora"
        quant_storage = "bfloat16"
        r = 4
        alpha = 8
        seq_len = 32
        optimizer = "adamw_bnb_8bit"
        precision = "bf16-mixed"
        load_dtype = "bf16"
        weight_decay = 0.01
        max_grad_norm = 0.3
        gradient_checkpointing = "off"
    """,
    "flags": "--method qlora --quant-storage bfloat16 --r 4 --alpha 8 --seq-len 32 --optimizer adamw_bnb_8bit --precision bf16-mixed "
    "--load-dtype bf16 --weight-decay 0.01 --max-grad-norm 0.3 --no-gradient-checkpointing",
}
FULL = {
    "axolotl": """
        base_model: tiny
        sequence_len: 32
        micro_batch_size: 3
        optimizer: sgd
        bf16: false
        gradient_checkpointing: true
        gradient_checkpointing_kwargs: {use_reentrant: true}
        attn_implementation: eager
    """,
    "llamafactory": """
        model_name_or_path: tiny
        finetuning_type: full
        template: llama3
        cutoff_len: 32
        per_device_train_batch_size: 3
        optim: sgd
        flash_attn: disabled
    """,
    "trl": """
        model_name_or_path: tiny
        dtype: float32
        bf16: false
        attn_implementation: eager
        max_length: 32
        per_device_train_batch_size: 3
        optim: sgd
        gradient_checkpointing_kwargs: {use_reentrant: true}
        dataset_name: any
    """,
    "toml": """
        method = "full"
        seq_len = 32
        batch_size = 3
        padded = true
        optimizer = "sgd"
        precision = "fp32"
        attn = "eager"
        gradient_checkpointing = "reentrant"
    """,
    "flags": "--method full --seq-len 32 --batch-size 3 --padded --optimizer sgd --precision fp32 --attn eager --reentrant",
}
RUNS = {"lora": LORA, "qlora": QLORA, "full": FULL}
DIFFERS = {("qlora", "trl"): {"adapter_dtype": "bf16"}}
"""What one of them does and no key of it can change: TRL casts adapters over a quantized base to bf16."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "config.json").write_text(json.dumps(TINY_LLAMA))
    return str(folder)


def read(way, text, folder):
    """The recipe that a text of one way gives."""
    lines = "\n".join(line.strip() for line in text.strip().splitlines()) if way != "flags" else text
    if way == "toml":
        return recipe_from_toml(lines)
    if way == "flags":
        return from_flags(lines.split())
    file = folder / f"{way}.yaml"
    file.write_text(lines)
    found = api.read_config(file)
    assert found.kind == way
    assert found.of("not understood") == ()
    return found.recipe


def from_flags(arguments):
    import click

    from anatomy.cli.recipe_options import recipe_from_flags

    command = click.Command("plan", callback=lambda **flags: recipe_from_flags(flags)[0])
    recipe_options(command)
    return command.main(arguments, standalone_mode=False)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_recipe(run, way, tmp_path):
    wanted = replace(read("toml", RUNS[run]["toml"], tmp_path), **DIFFERS.get((run, way), {}))
    assert complete(read(way, RUNS[run][way], tmp_path)) == complete(wanted)


@pytest.mark.parametrize("run", RUNS)
def test_every_way_gives_the_same_bytes(run, tiny, tmp_path):
    recipes = [read(way, RUNS[run][way], tmp_path) for way in WAYS if (run, way) not in DIFFERS]
    plans = [api.plan(tiny, recipe=recipe, gpu=GPU).to_dict() for recipe in recipes]
    for plan in plans[1:]:
        for part in ("peak", "breakdown_by_component", "resting", "phase_peaks", "parameters", "fits"):
            assert plan[part] == plans[0][part]


@pytest.mark.parametrize("run", RUNS)
def test_the_printed_recipe_is_the_recipe(run, tmp_path):
    recipe = complete(read("axolotl", RUNS[run]["axolotl"], tmp_path))
    assert recipe_from_toml(recipe_to_toml(recipe)) == recipe
