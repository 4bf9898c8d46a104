"""Every optimizer name that transformers offers: it is rehearsed, modelled, or answered with what it lacks."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers.training_args import OptimizerNames

from anatomy.errors import RecipeError
from anatomy.memory.timeline import Category
from anatomy.rehearsal.rehearse import Rehearsal, rehearse
from anatomy.training.optimizers.build import build_optimizer, state_tensors
from anatomy.training.optimizers.in_backward import held_by
from anatomy.training.optimizers.kinds import OPTIMIZERS, OWN
from anatomy.training.recipe import Recipe
from anatomy.versions import installed

FATES = {
    "rehearsed": {"adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop", "muon"},
    "modelled": {"adamw_anyprecision", "grokadamw"},
    "refused": {
        "adamw_torch_xla",
        "adamw_torch_npu_fused",
        "galore_adamw_8bit",
        "galore_adamw_8bit_layerwise",
        "galore_adafactor_layerwise",
    },
}
"""The names whose fate is another one than that of a package."""
PACKAGES = {
    "bitsandbytes": 15,
    "torchao": 2,
    "galore-torch": 6,
    "apollo-torch": 2,
    "lomo-optim": 2,
    "schedulefree": 3,
    "torch-optimi": 1,
}
"""Package -> how many names it makes."""
NAMES = [*(name.value for name in OptimizerNames), *OWN]


def small_model(device: str = "meta") -> nn.Module:
    with torch.device(device):
        return nn.Sequential(nn.Embedding(64, 32), nn.Linear(32, 32), nn.LayerNorm(32))


def recipe_of(name: str, **changes: object) -> Recipe:
    low_rank = {"optim_target_modules": "all-linear", "optim_args": "rank=8"}
    settings = {"method": "full", "optimizer": name, "seq_len": 16, "gradient_checkpointing": "off"}
    return Recipe(**settings, **(low_rank if OPTIMIZERS[name].low_rank else {}), **changes)  # type: ignore[arg-type]


def rehearsed(recipe: Recipe) -> Rehearsal:
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    return rehearse(model, recipe, component_of=lambda _: "")


def test_every_installed_name_has_a_fate() -> None:
    assert set(NAMES) <= OPTIMIZERS.keys()
    for fate, names in FATES.items():
        assert {name for name, kind in OPTIMIZERS.items() if kind.fate == fate} == names
    makers = [kind.package for kind in OPTIMIZERS.values() if kind.package]
    assert {package: makers.count(package) for package in makers} == PACKAGES


@pytest.mark.parametrize("name", NAMES)
def test_each_name_meets_its_fate(name: str) -> None:
    kind, recipe = OPTIMIZERS[name], recipe_of(name)
    if kind.refused:
        with pytest.raises(RecipeError, match=re.escape(kind.refused)):
            rehearsed(recipe)
        return
    if kind.package and not installed((kind.package,)):
        with pytest.raises(RecipeError, match=f"needs {kind.package}, which is not installed") as caught:
            rehearsed(recipe)
        assert caught.value.hint == f"pip install {kind.package}"
        return
    result = rehearsed(recipe)
    said = kind.modelled or kind.note
    assert not said or any(said in line for line in (*result.assumptions, *result.not_modelled))
    if kind.in_backward:
        assert not [b for b in result.timeline.blocks if b.category is Category.GRADIENTS]


@pytest.mark.parametrize("name", [name for name, kind in OPTIMIZERS.items() if kind.reads])
def test_settings_are_those_that_transformers_reads(name: str) -> None:
    import transformers

    source = Path(transformers.__file__).with_name("trainer_optimizer.py")
    if not source.exists():
        pytest.skip("an older transformers reads them elsewhere")
    text = source.read_text(encoding="utf-8")
    assert [key for key in OPTIMIZERS[name].reads if f'"{key}"' not in text] == []


def test_parameter_groups_are_the_trainers() -> None:
    """Trainer: no weight decay on biases and norms."""
    optimizer = build_optimizer(
        small_model(), Recipe(method="full", optimizer="adamw_torch", weight_decay=0.1)
    )
    decayed, spared = optimizer.param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(64, 32), (32, 32)]
    assert [tuple(p.shape) for p in spared["params"]] == [(32,), (32,), (32,)]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)


def test_settings_reach_the_optimizer() -> None:
    recipe = Recipe(method="full", optimizer="sgd", optim_args="momentum=0.9,nesterov=true")
    optimizer = build_optimizer(small_model(), recipe)
    assert (optimizer.defaults["momentum"], optimizer.defaults["nesterov"]) == (0.9, True)


def test_in_backward_each_parameter_has_its_own() -> None:
    recipe = Recipe(
        method="full", optimizer="adamw_torch", optimizer_in_backward=True, max_grad_norm=0, weight_decay=0.1
    )
    model = small_model("cpu")
    optimizer = build_optimizer(model, recipe)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    model(torch.arange(4)).sum().backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not torch.equal(before[0], next(model.parameters()))
    assert len(list(held_by(optimizer))) == 5
    assert sum(t.numel() for t in state_tensors(optimizer)) == 5 + 2 * sum(
        p.numel() for p in model.parameters()
    )
    decays = [part.param_groups[0]["weight_decay"] for part in held_by(optimizer)]
    assert decays == [0.1, 0.1, 0.0, 0.0, 0.0]


def test_in_backward_is_the_same_update() -> None:
    """One step of each on the same weights and data: torch's own tutorial promises the same numbers."""
    found = []
    for in_backward in (True, False):
        torch.manual_seed(0)
        model = small_model("cpu")
        recipe = Recipe(
            method="full", optimizer="adamw_torch", optimizer_in_backward=in_backward, max_grad_norm=0
        )
        optimizer = build_optimizer(model, recipe)
        for _ in range(2):
            model(torch.arange(8)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        found.append([parameter.detach() for parameter in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_gradients_to_clip_are_refused() -> None:
    with pytest.raises(RecipeError, match="no gradients to clip"):
        build_optimizer(small_model(), Recipe(method="full", optimizer_in_backward=True))


@pytest.mark.skipif(find_spec("galore_torch") is None, reason="needs galore-torch")
def test_target_modules_have_to_be_named() -> None:
    with pytest.raises(RecipeError, match="optim_target_modules has to name"):
        build_optimizer(small_model(), Recipe(method="full", optimizer="galore_adamw"))


def test_muon_has_the_hidden_matrices_and_adamw_the_rest() -> None:
    """One momentum for the seven matrices of the block, two moments for the tied embedding and three norms."""
    result = rehearsed(recipe_of("muon"))
    matrices, others = 4 * 64 * 64 + 3 * 64 * 128, 2 * 64 * 64 + 3 * 64
    states = sum(b.bytes for b in result.timeline.blocks if b.category is Category.OPTIMIZER)
    counters = 5 * 4
    assert states == 2 * matrices + 4 * others + counters


def test_an_unknown_name_gets_close_ones() -> None:
    with pytest.raises(RecipeError) as caught:
        build_optimizer(small_model(), Recipe(method="full", optimizer="adamw_fused"))
    assert "adamw_torch_fused" in (caught.value.hint or "")
