"""Every optimizer name that transformers knows is rehearsed or answered with the package to install."""

import pytest
import torch
from torch import nn
from transformers.training_args import OptimizerNames

from anatomy.errors import RecipeError
from anatomy.training.optimizers import build_optimizer
from anatomy.training.recipe import Recipe

MADE_BY_TORCH_AND_BITSANDBYTES = {
    "adamw_torch",
    "adamw_torch_fused",
    "adafactor",
    "sgd",
    "adagrad",
    "rmsprop",
    "adamw_bnb_8bit",
    "adamw_8bit",
    "ademamix",
    "ademamix_8bit",
    "lion_8bit",
    "lion_32bit",
    "paged_adamw_32bit",
    "paged_adamw_8bit",
    "paged_ademamix_32bit",
    "paged_ademamix_8bit",
    "paged_lion_32bit",
    "paged_lion_8bit",
    "rmsprop_bnb",
    "rmsprop_bnb_8bit",
    "rmsprop_bnb_32bit",
}


def small_model() -> nn.Module:
    with torch.device("meta"):
        return nn.Sequential(nn.Embedding(64, 32), nn.Linear(32, 32), nn.LayerNorm(32))


@pytest.mark.parametrize("name", [name.value for name in OptimizerNames])
def test_each_name_is_made_or_names_a_package(name: str) -> None:
    recipe = Recipe(method="full", optimizer=name)
    # The fused kernels refuse meta tensors until a rehearsal lets them pass; see tests/rehearsal for those.
    if name in MADE_BY_TORCH_AND_BITSANDBYTES:
        assert isinstance(build_optimizer(small_model(), recipe), torch.optim.Optimizer)
        return
    with pytest.raises(RecipeError, match="not installed") as caught:
        build_optimizer(small_model(), recipe)
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("pip install ")


def test_parameter_groups_are_the_trainers() -> None:
    """Trainer: no weight decay on biases and norms."""
    optimizer = build_optimizer(small_model(), Recipe(method="full", optimizer="adamw_torch"))
    decayed, spared = optimizer.param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(64, 32), (32, 32)]
    assert [tuple(p.shape) for p in spared["params"]] == [(32,), (32,), (32,)]


def test_an_unknown_name_gets_close_ones() -> None:
    with pytest.raises(RecipeError) as caught:
        build_optimizer(small_model(), Recipe(method="full", optimizer="adamw_fused"))
    assert "adamw_torch_fused" in (caught.value.hint or "")
