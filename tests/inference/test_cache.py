"""Bytes of a cache by hand."""

from dataclasses import replace

import pytest

from anatomy.inference.cache import BY_NAME, KvCache, LayerCache

FULL = LayerCache(kind="full", token_elements=100)
SLIDING = LayerCache(kind="sliding", token_elements=10, window=16)
STATE = LayerCache(kind="state", state_bytes=7)
MIXED = KvCache(layers=(FULL, SLIDING, SLIDING, STATE))
BF16 = BY_NAME["bf16"]


def test_a_window_bounds_what_is_kept():
    assert MIXED.elements(8) == 8 * 120
    assert MIXED.elements(16) == 16 * 120
    assert MIXED.elements(1000) == 1000 * 100 + 2 * 16 * 10
    assert MIXED.token_bytes(BF16) == 240
    assert MIXED.token_bytes(BF16, beyond_windows=True) == 200


def test_states_do_not_grow_and_take_no_other_format():
    assert MIXED.bytes_for(0, 3, BF16) == 21
    assert MIXED.bytes_for(8, 3, BF16) == 3 * (8 * 240 + 7)
    assert MIXED.bytes_for(8, 3, BY_NAME["fp8"]) == 3 * (8 * 120 + 7)


def test_states_of_a_model_in_fp32_are_those_of_that_model():
    """They take the model's format, never the cache's: 8-bit caches have a 16-bit model's."""
    wide = replace(MIXED, fp32_states=12)
    assert [wide.states_in(BY_NAME[name]) for name in ("fp32", "bf16", "fp8")] == [12, 7, 7]
    assert wide.bytes_for(8, 3, BY_NAME["fp32"]) == 3 * (8 * 480 + 12)
    assert MIXED.states_in(BY_NAME["fp32"]) == 7


def test_reach_adds_windows():
    assert MIXED.reach == (2, 32)
    assert KvCache(layers=(FULL,)).reach is None


def test_cross_attention_keeps_the_encoders_tokens():
    cross = LayerCache(kind="cross", token_elements=4)
    assert KvCache(layers=(FULL, cross)).elements(10) == 10 * 104
    fixed = KvCache(layers=(FULL, cross), encoder_tokens=1500)
    assert fixed.elements(10) == 1000 + 6000
    assert fixed.token_elements() == 100


@pytest.mark.parametrize(("name", "bits"), [("int8", 8.5), ("int4", 4.5)])
def test_a_scale_and_a_zero_point_for_64(name, bits):
    assert BY_NAME[name].bits == bits


def test_what_takes_only_full_attention():
    assert not MIXED.keeps_all
    assert KvCache(layers=(FULL, LayerCache(kind="latent", token_elements=1))).keeps_all


def test_alike_layers_are_counted():
    assert [(run.layer.kind, run.count) for run in MIXED.alike] == [("full", 1), ("sliding", 2), ("state", 1)]
    assert MIXED.to_dict()["order"] == ["1 full", "2 sliding", "1 state"]
