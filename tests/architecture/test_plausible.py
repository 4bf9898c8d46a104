"""Sizes that no model has."""

import subprocess
import sys

import pytest

from anatomy.architecture.plausible import BOUNDS, check_plausible
from anatomy.errors import ArchitectureError


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"hidden_size": 10**12}, "hidden_size is 1000000000000"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"vocab_size": 1.5}, "must be an integer"),
        ({"n_head": True}, "must be an integer"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"text_config": {"intermediate_size": 10**15}}, "text_config.intermediate_size"),
        ({"num_key_value_heads": [4, -4]}, "num_key_value_heads is -4"),
        ({"d_model": float("inf")}, "d_model is inf"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_key_value_heads": 0}, "num_key_value_heads is 0"),
        ({"vocab_size": 0}, "vocab_size is 0"),
        ({"max_position_embeddings": -1}, "max_position_embeddings is -1"),
        ({"vision_config": {"patch_size": 0}}, "vision_config.patch_size is 0"),
        ({"num_attention_heads": 3, "num_key_value_heads": 8}, "num_attention_heads is 3, which"),
        ({"text_config": {"num_attention_heads": 6, "num_key_value_heads": 4}}, "text_config.num_key_value"),
        ({"torch_dtype": "zorg"}, "torch_dtype is 'zorg'"),
        ({"text_config": {"dtype": "bf16"}}, "text_config.dtype is 'bf16'"),
        ({"model_type": 7}, "model_type is 7"),
        ({"architectures": "LlamaForCausalLM"}, "architectures is 'LlamaForCausalLM'"),
        ({"architectures": [7]}, "must be a list of class names"),
    ],
)
def test_refused_with_the_name_of_the_key(config, said):
    with pytest.raises(ArchitectureError) as caught:
        check_plausible(config)
    assert said in caught.value.message
    assert "--set" in caught.value.hint


def test_real_sizes_and_defaults_pass():
    check_plausible({"hidden_size": 16384, "num_hidden_layers": 126, "vocab_size": 262208, "n_inner": None})
    check_plausible({"n_routed_experts": 384, "moe_intermediate_size": [1024, 2048], "hidden_act": "silu"})
    check_plausible({"max_position_embeddings": 10485760, "vision_config": {"hidden_size": 1152}})


def test_what_is_meant_is_offered():
    for config, meant in (
        ({"dtype": "bf16"}, "dtype=bfloat16"),
        ({"dtype": "torch.float16"}, "dtype=float16"),
        ({"architectures": "LlamaForCausalLM"}, """architectures='["LlamaForCausalLM"]'"""),
    ):
        with pytest.raises(ArchitectureError) as caught:
            check_plausible(config)
        assert meant in caught.value.hint


def test_a_layer_may_lack_what_others_have():
    check_plausible({"num_key_value_heads": [8, 0, 8], "num_attention_heads": 32, "decoder_layers": 0})
    check_plausible({"num_nextn_predict_layers": 0, "image_size": {"height": 224, "width": 224}})


def test_no_key_is_bounded_twice():
    keys = [key for bound in BOUNDS for key in bound.keys]
    assert len(keys) == len(set(keys))


def test_decided_before_torch_is_imported():
    code = (
        "import sys\n"
        "from anatomy.blueprint import Blueprint, Origin\n"
        "from anatomy.architecture.skeleton import build_skeleton\n"
        "from anatomy.errors import ArchitectureError\n"
        "config = {'model_type': 'llama', 'hidden_size': 10**12}\n"
        "try:\n"
        "    build_skeleton(Blueprint(id='x', origin=Origin(kind='file', location='x'), config=config))\n"
        "except ArchitectureError:\n"
        "    print(sorted({'torch', 'transformers'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_head_without_a_rotated_part_is_possible():
    """Latent attention without positions: where `head_dim` means the rotated part, it may be empty."""
    check_plausible({"head_dim": 0, "qk_rope_head_dim": 0, "qk_nope_head_dim": 256})
    with pytest.raises(ArchitectureError, match="head_dim is 0"):
        check_plausible({"head_dim": 0})
