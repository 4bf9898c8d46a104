"""In which dtypes a model is, as far as its description tells."""

import pytest

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.skeleton import build_skeleton

TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "vocab_size": 48}
LLAMA = {"model_type": "llama", **TINY, "num_attention_heads": 4}
NESTED = {
    "model_type": "gemma3",
    "text_config": {**TINY, "model_type": "gemma3_text", "dtype": "bfloat16"},
    "vision_config": {"model_type": "siglip_vision_model", "num_hidden_layers": 1, "dtype": "float32"},
}
MXFP4 = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}


def test_the_dtype_of_a_nested_config_counts(blueprint_of):
    """Qwen3-VL's and Qwen3.5's config.json name a dtype in their text_config only."""
    import torch

    anatomy = anatomy_from(blueprint_of(NESTED))
    assert anatomy.by_dtype == {"bfloat16": anatomy.total}
    model = build_skeleton(blueprint_of(NESTED)).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_the_configs_own_dtype_comes_first(blueprint_of):
    anatomy = anatomy_from(blueprint_of({**NESTED, "torch_dtype": "half"}))
    assert anatomy.by_dtype == {"float16": anatomy.total}
    assert not any("dtype" in note for note in anatomy.notes)


@pytest.mark.parametrize("dtype", [{}, {"dtype": "bfloat16"}])
@pytest.mark.parametrize(
    "quantized",
    [
        {"quantization_config": MXFP4},
        {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}},
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        {"quantization_config": {"quant_method": "awq", "bits": 4}},
        {"quantization_config": {"quant_method": "compressed-tensors"}},
    ],
)
def test_a_quantized_checkpoint_is_said_and_no_dtype_is_claimed(quantized, dtype, blueprint_of):
    plain, anatomy = (anatomy_from(blueprint_of({**LLAMA, **dtype, **more})) for more in ({}, quantized))
    assert anatomy.by_dtype == {}
    assert anatomy.total == plain.total
    (note,) = [note for note in anatomy.notes if "stored quantized" in note]
    assert f"({quantized['quantization_config']['quant_method']})" in note
    assert "without its headers" in note


def test_headers_say_what_is_stored(blueprint_of):
    tensors = [("lm_head.weight", (48, 32), "U8")]
    anatomy = anatomy_from(blueprint_of({**LLAMA, "quantization_config": MXFP4}, tensors))
    assert anatomy.by_dtype == {"uint8": 48 * 32}
    (note,) = [note for note in anatomy.notes if "stored quantized" in note]
    assert "headers" not in note


def test_a_config_without_a_dtype_claims_none(blueprint_of):
    anatomy = anatomy_from(blueprint_of(LLAMA))
    assert anatomy.by_dtype == {}
    assert any("names no dtype" in note for note in anatomy.notes)
