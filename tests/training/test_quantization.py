"""A 4-bit base where bitsandbytes is missing."""

import pytest

from anatomy.errors import RecipeError
from anatomy.training import quantization
from anatomy.training.recipe import Recipe


def test_without_bitsandbytes_there_is_no_4_bit_base(monkeypatch):
    monkeypatch.setattr(quantization, "find_spec", lambda name: None)
    with pytest.raises(
        RecipeError, match="method 'qlora' needs bitsandbytes, which is not installed"
    ) as caught:
        quantization.swap_linears(object(), Recipe(method="qlora"))
    assert "--method lora" in caught.value.hint
