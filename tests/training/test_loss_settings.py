"""What a recipe says of its loss: kept in a file, refused where it cannot be."""

from functools import partial
from typing import Any

import pytest
import torch

from anatomy.errors import RecipeError
from anatomy.planning.settings import make_recipe, recipe_from_toml, recipe_to_toml, settings_in_use
from anatomy.training.losses.apply import _compiled, _op_by_op, chunked_cross_entropy
from anatomy.training.losses.dpo import selected_log_probs
from anatomy.training.losses.kinds import LOSSES
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


def test_the_compiled_loss_keeps_what_torchs_partitioner_keeps() -> None:
    """Inductor's own choice of what lives until backward, without its compiler."""
    from functorch.compile import nop
    from torch._dynamo.backends.common import aot_autograd
    from torch._functorch.partitioners import min_cut_rematerialization_partition
    from torch._inductor.decomposition import decompositions

    partition = partial(min_cut_rematerialization_partition, compiler="inductor")
    backend = aot_autograd(
        fw_compiler=nop, bw_compiler=nop, decompositions=decompositions, partition_fn=partition
    )
    logits, targets = torch.randn(64, 512, dtype=torch.bfloat16), torch.randint(512, (64,))
    real = torch.compile(_op_by_op, backend=backend)(logits.requires_grad_(), targets)
    modelled = _compiled(logits.detach().to("meta").requires_grad_(), targets.to("meta"))
    for loss in (real, modelled):
        assert [(t.shape, t.dtype) for t in loss.grad_fn.saved_tensors] == [
            ((64, 512), torch.bfloat16),
            ((64,), torch.int64),
            ((64, 1), torch.float32),
            ((64, 1), torch.float32),
        ]
    (gradient,) = torch.autograd.grad(modelled, [modelled.grad_fn.saved_tensors[0]])
    assert (gradient.shape, gradient.dtype) == ((64, 512), torch.bfloat16)
