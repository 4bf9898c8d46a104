"""Which kernel CUDA picks, against the rules of sdp_utils.cpp and what users of the kernels reported."""

import pytest
import torch

from anatomy.rehearsal.kernels.workspaces import choose_attention, fused_dropout, fused_rms_norm

DEFAULTS = {
    "has_mask": False,
    "dropout_p": 0.0,
    "is_causal": True,
    "needs_grad": True,
    "enable_gqa": False,
    "capability": (8, 0),
}


def choose(q=(2, 32, 512, 128), k=None, v=None, dtype="bfloat16", **changes):
    k = q if k is None else k
    return choose_attention(q, k, k if v is None else v, dtype, **{**DEFAULTS, **changes})


@pytest.mark.parametrize(
    ("capability", "dtype", "expected"),
    [
        ((7, 0), "float16", "efficient"),  # flash attention starts at Ampere
        ((7, 5), "float16", "efficient"),
        ((7, 5), "bfloat16", "math"),
        ((7, 5), "float32", "efficient"),
        ((8, 0), "bfloat16", "flash"),
        ((8, 0), "float32", "efficient"),
        ((8, 0), "float64", "math"),
        ((8, 6), "float16", "flash"),
        ((8, 9), "bfloat16", "flash"),
        ((9, 0), "bfloat16", "cudnn"),
        ((9, 0), "float32", "efficient"),
        ((10, 0), "bfloat16", "cudnn"),
        ((10, 3), "bfloat16", "cudnn"),
        ((12, 0), "bfloat16", "flash"),
    ],
)
def test_plain_causal_attention_per_gpu(capability, dtype, expected):
    assert choose(capability=capability, dtype=dtype) == expected
    assert choose(capability=capability, dtype=getattr(torch, dtype)) == expected


def test_hopper_prefers_cudnn_only_when_it_is_newer_than_9_15_0():
    """huggingface/transformers#48163: "What changes at 2.11 is the bundled cuDNN crossing the threshold"."""
    assert choose(capability=(9, 0), cudnn_version=91002) == "flash"
    assert choose(capability=(9, 0), cudnn_version=91500) == "flash"
    assert choose(capability=(9, 0), cudnn_version=91501) == "cudnn"


def test_cudnn_drops_out_in_sixteenths():
    assert choose(capability=(9, 0), dropout_p=0.125) == "cudnn"
    assert choose(capability=(9, 0), dropout_p=0.1) == "flash"


@pytest.mark.parametrize(("capability", "expected"), [((8, 0), "efficient"), ((9, 0), "cudnn")])
def test_a_mask_rules_out_flash_attention(capability, expected):
    assert choose(has_mask=True, is_causal=False, capability=capability) == expected
    learned = choose(has_mask=True, mask_needs_grad=True, is_causal=False, capability=capability)
    assert learned == "efficient"  # T5's position bias


def test_grouped_heads_fall_to_math_where_flash_cannot_go():
    """huggingface/transformers#46960: Gemma's head size 512 with enable_gqa materializes S x S; repeated heads do not."""
    wide, narrow = (1, 8, 512, 512), (1, 2, 512, 512)
    assert choose(wide, narrow, enable_gqa=True) == "math"
    assert choose(wide) == "efficient"
    assert choose((1, 8, 64, 128), (1, 2, 64, 128), enable_gqa=True) == "flash"
    assert choose((1, 8, 64, 128), (1, 2, 64, 128), enable_gqa=True, dtype="float32") == "math"
    assert choose((1, 8, 64, 128), (1, 2, 64, 128), enable_gqa=True, has_mask=True, is_causal=False) == "math"


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((8, 0), "efficient"), ((9, 0), "cudnn"), ((10, 0), "cudnn"), ((12, 0), "efficient")],
)
def test_latent_attention_has_values_of_another_size(capability, expected):
    """DeepSeek-V3: queries and keys of 192, values of 128."""
    q = (1, 128, 512, 192)
    assert choose(q, q, (1, 128, 512, 128), capability=capability) == expected


@pytest.mark.parametrize(
    ("size", "dropout", "expected"),
    [
        (192, 0.0, "flash"),
        (200, 0.0, "efficient"),
        (224, 0.0, "efficient"),
        (256, 0.0, "flash"),
        (256, 0.1, "efficient"),
    ],
)
@pytest.mark.parametrize("capability", [(8, 6), (8, 9), (12, 0)])
def test_training_wide_heads_on_desktop_gpus(size, dropout, expected, capability):
    """check_requires_grad_and_head_dim_gt192_constraints_on_sm86_89_or_120."""
    q = (1, 4, 128, size)
    assert choose(q, dropout_p=dropout, capability=capability) == expected
    assert choose(q, dropout_p=dropout, capability=capability, needs_grad=False) == "flash"
    assert choose(q, dropout_p=dropout) == "flash"


def test_head_sizes_that_are_no_multiple_of_8():
    q = (1, 4, 128, 100)
    assert choose(q) == "flash"  # padded by the composite operator
    assert choose(q, has_mask=True, is_causal=False) == "math"
    assert choose(q, capability=(9, 0)) == "flash"
    assert choose(q, dtype="float32") == "efficient"  # a multiple of 4 is enough
    assert choose((1, 4, 128, 257)) == "math"


def test_causal_needs_equal_lengths_for_flash():
    q, k = (1, 4, 64, 64), (1, 4, 128, 64)
    assert choose(q, k) == "efficient"
    assert choose(q, k, is_causal=False) == "flash"


@pytest.mark.parametrize(
    ("p", "changes", "expected"),
    [
        (0.1, {}, True),
        (0.0, {}, False),
        (1.0, {}, False),
        (0.1, {"training": False}, False),
        (0.1, {"elements": 0}, False),
        (0.1, {"inplace": True}, False),
        (0.1, {"feature": True}, False),
        (0.1, {"alpha": True}, False),
    ],
)
def test_dropout_is_fused_unless_in_place_or_special(p, changes, expected):
    assert fused_dropout(p, **{"training": True, "elements": 8, **changes}) is expected


def test_rms_norm_is_fused_when_weight_and_input_agree():
    assert fused_rms_norm(torch.bfloat16, torch.bfloat16)
    assert fused_rms_norm(torch.bfloat16, None)
    assert not fused_rms_norm(torch.bfloat16, torch.float32)
