"""What a recipe says of its loss: kept in a file, refused where it cannot be."""

from typing import Any

import pytest
import torch

from anatomy.errors import RecipeError
from anatomy.planning.settings import make_recipe, recipe_from_toml, recipe_to_toml, settings_in_use
from anatomy.training.dpo import selected_log_probs
from anatomy.training.loss_kinds import LOSSES
from anatomy.training.losses import chunked_cross_entropy
from anatomy.training.recipe import Recipe


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_kept_in_a_file(loss: str) -> None:
    recipe = Recipe(loss=loss, liger_kernels=True)
    assert recipe_from_toml(recipe_to_toml(recipe)) == recipe


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"loss": "cross"}, "loss is 'cross'"),
        ({"label_smoothing": 1.0}, "below 1"),
        ({"loss": "cut", "label_smoothing": 0.1}, "computed from all the logits"),
        ({"objective": "rlhf"}, "objective is 'rlhf'"),
        ({"objective": "dpo", "loss": "liger"}, "scores whole sequences"),
        ({"objective": "dpo", "label_smoothing": 0.1}, "smooths no labels"),
        ({"objective": "dpo", "method": "qlora", "dpo_reference": "model"}, "second quantized model"),
        ({"objective": "dpo", "method": "prompt-tuning"}, "virtual tokens"),
        ({"dpo_reference": "model"}, "dpo_reference means nothing"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said(given: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        make_recipe(given)


@pytest.mark.parametrize(
    ("changes", "copies"),
    [
        ({"method": "full"}, True),
        ({"method": "lora"}, False),
        ({"method": "lora", "dpo_reference": "model"}, True),
        ({"method": "full", "dpo_reference": "precomputed"}, False),
    ],
)
def test_where_a_reference_comes_from(changes: dict[str, Any], copies: bool) -> None:
    """As trl 1.16's DPOTrainer: `ref_model=None` makes a copy unless there are adapters to switch off."""
    recipe = make_recipe({"objective": "dpo", **changes})
    assert recipe.copies_reference is copies
    assert not Recipe(**changes).copies_reference
    assert "dpo_reference" in settings_in_use(recipe)


def test_the_chunked_loss_is_the_stock_one() -> None:
    from transformers.loss.loss_utils import ForCausalLMLoss

    torch.manual_seed(0)
    logits, labels = torch.randn(2, 37, 50), torch.randint(50, (2, 37))
    labels[1, 20:] = -100
    for items in (None, torch.tensor(17)):
        chunked = chunked_cross_entropy(logits, labels, items)
        torch.testing.assert_close(chunked, ForCausalLMLoss(logits, labels, 50, items))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_log_probs_of_tokens(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits, tokens = torch.randn(2, 5, 11, dtype=dtype), torch.randint(11, (2, 5))
    expected = logits.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(selected_log_probs(logits, tokens), expected)
