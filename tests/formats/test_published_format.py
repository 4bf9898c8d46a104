"""The size of a quantized checkpoint by what its config says, against published sizes."""

import pytest
from test_schemes import LLAMA, sizes_of

from anatomy.architecture.linears import bitsandbytes_linears
from anatomy.formats.published import checkpoint_size

FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True}


def own_size(described, config, settings):
    anatomy, skeleton = described(config)
    linears = bitsandbytes_linears(skeleton.model)
    return checkpoint_size({**config, "quantization_config": settings}, anatomy, linears)


@pytest.mark.parametrize(
    ("settings", "scheme"),
    [
        (FP8, "fp8"),
        (GPTQ, "gptq 4-bit"),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 128, "version": "gemm"}, "awq 4-bit"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "nf4"),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True},
            "nf4 double",
        ),
    ],
)
def test_settings_mean_a_format(settings, scheme, described):
    size = own_size(described, LLAMA, settings)
    assert (size.name, size.total_bytes) == (scheme, sizes_of(described, LLAMA)[scheme].total_bytes)


@pytest.mark.parametrize(
    "settings",
    [
        None,
        {"quant_method": "compressed-tensors"},
        {**FP8, "scale_fmt": "ue8m0"},  # DeepSeek-V4's, whose experts are in four bits
        {"quant_method": "fp8"},
        {**GPTQ, "bits": 3},
        {**GPTQ, "dynamic": {"-:.*down.*": {}}},
    ],
)
def test_what_no_row_is_gets_no_number(settings, described):
    assert own_size(described, LLAMA, settings) is None


@pytest.mark.parametrize("pattern", ["model.layers.0", "model.layers.*.self_attn", "down_proj"])
def test_modules_that_the_config_leaves_out_stay(pattern, described):
    whole = own_size(described, LLAMA, FP8)
    less = own_size(described, LLAMA, {**FP8, "modules_to_not_convert": [pattern, "gate", "lm_head"]})
    attention, ffn = 2 * 128 * 128 + 2 * 64 * 128, 3 * 256 * 128
    left = {"model.layers.0": attention + ffn, "model.layers.*.self_attn": 2 * attention}
    assert less.kept_bytes - whole.kept_bytes == 2 * left.get(pattern, 2 * 256 * 128)


def test_gpt_oss_by_its_config(described):
    """OpenAI's model card: 12.8 GiB."""
    from anatomy.source import catalog

    anatomy, _ = described("openai/gpt-oss-20b")
    size = checkpoint_size(catalog.find("openai/gpt-oss-20b").config, anatomy)
    assert size.name == "mxfp4"
    assert size.total_bytes / 2**30 == pytest.approx(12.8, abs=0.05)
