"""ggml's block sizes, against the bits per weight that ggml publishes for its types."""

import pytest

from anatomy.ggml import BY_ID, BY_NAME, GGML_TYPES

BITS = {
    "Q2_K": 2.625, "Q3_K": 3.4375, "Q4_K": 4.5, "Q5_K": 5.5, "Q6_K": 6.5625, "IQ2_XXS": 2.0625, "IQ2_XS": 2.3125,
    "IQ2_S": 2.5625, "IQ3_XXS": 3.0625, "IQ3_S": 3.4375, "IQ1_S": 1.5625, "IQ1_M": 1.75, "TQ1_0": 1.6875,
    "TQ2_0": 2.0625, "IQ4_XS": 4.25, "Q4_0": 4.5, "Q8_0": 8.5,
}  # fmt: skip
"""Of the comments beside the structs in ggml/src/ggml-common.h ("Effectively 2.625 bits per weight" and so on)."""


@pytest.mark.parametrize(("name", "bits"), BITS.items())
def test_bits_per_weight_as_published(name, bits):
    assert BY_NAME[name].bits == bits


def test_names_and_numbers_are_unique():
    assert len(BY_ID) == len(BY_NAME) == len(GGML_TYPES)


def test_a_row_is_whole_blocks():
    assert BY_NAME["Q4_K"].bytes_for(256) == 144
    assert BY_NAME["Q4_K"].bytes_for(257) == 288
