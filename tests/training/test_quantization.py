"""A quantized base: what stays dense, and where bitsandbytes is missing."""

import pytest
from families import make

from anatomy.errors import RecipeError
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training import available
from anatomy.training.quantized import base as quantization
from anatomy.training.recipe import Recipe


def test_without_bitsandbytes_there_is_no_4_bit_base(monkeypatch):
    monkeypatch.setattr(available, "find_spec", lambda name: None)
    with pytest.raises(
        RecipeError, match="method 'qlora' needs bitsandbytes, which is not installed"
    ) as caught:
        quantization.swap_linears(object(), Recipe(method="qlora"))
    assert "--method lora" in caught.value.hint


def test_a_module_that_is_nowhere_cannot_stay_dense():
    with pytest.raises(RecipeError, match="quant_skip names 'q_prj'") as caught:
        quantization.swap_linears(make("llama", "meta"), Recipe(method="qlora", quant_skip=("q_prj",)))
    assert "q_proj" in caught.value.hint


def test_the_share_that_is_packed_counts_what_stays_dense():
    """With a list of one's own the head is packed; the tokens' table and the norms stay."""
    model = make("llama", "meta")
    dense = sum(p.numel() for name, p in model.named_parameters() if "embed" in name or "norm" in name)
    recipe = Recipe(method="qlora", quant_skip=("embed_tokens",), seq_len=16, gradient_checkpointing="off")
    said = rehearse(model, recipe, component_of=lambda path: "").assumptions
    (share,) = (text for text in said if text.startswith("4 bits hold"))
    assert f"{dense / 1000:.2f} K stay unquantized" in share
