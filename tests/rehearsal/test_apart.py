"""A run and its optimizer, rehearsed apart and put together: the record of both at once, entry by entry."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers

from anatomy.errors import RecipeError
from anatomy.memory.splice import InseparableError
from anatomy.rehearsal import apart as module
from anatomy.rehearsal.apart import RunApart, rehearse_apart
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.recipe import Recipe

OPTIMIZERS = ("adamw_torch", "adamw_torch_fused", "adafactor", "adamw_8bit", "paged_adamw_8bit", "adagrad")


def make_model(dtype: str) -> Any:
    config = transformers.LlamaConfig(
        vocab_size=512, hidden_size=128, intermediate_size=256, num_hidden_layers=1,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))


def own_path(path: str) -> str:
    return path


def recipe_of(**settings: Any) -> Recipe:
    return Recipe(**{"seq_len": 32, **settings})


def run_apart(recipe: Recipe) -> RunApart:
    return rehearse_apart(make_model(recipe.weight_dtype), recipe, component_of=own_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "full", "precision": "fp16-mixed"},
        {"method": "full", "precision": "bf16", "max_grad_norm": 0.0, "weight_decay": 0.1},
        {"method": "full", "precision": "fp16-mixed", "max_grad_norm": 0.0},
        {"method": "lora", "precision": "bf16-mixed", "grad_accum": 2},
        {"method": "qlora", "precision": "bf16"},
        {"method": "prompt-tuning", "precision": "bf16"},
        {"method": "last-n", "last_n": 0, "precision": "bf16", "gradient_checkpointing": "off"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_both_together_are_the_whole_run(settings):
    run = run_apart(recipe_of(**settings))
    for optimizer in OPTIMIZERS:
        recipe = recipe_of(**settings, optimizer=optimizer)
        whole = rehearse(make_model(recipe.weight_dtype), recipe, component_of=own_path).timeline
        joint = run.with_optimizer(run.rehearse_optimizer(recipe))
        assert joint.blocks == whole.blocks, optimizer
        assert joint.trace == whole.trace, optimizer
        assert joint.marks == whole.marks, optimizer


def test_an_optimizers_record_serves_every_run_with_the_same_parameters():
    runs = {p: run_apart(recipe_of(method="lora", precision=p)) for p in ("fp32", "bf16", "fp16-mixed")}
    assert runs["fp32"].parameter_set == runs["bf16"].parameter_set
    assert runs["fp32"].parameter_set != runs["fp16-mixed"].parameter_set  # a GradScaler is between
    record = runs["fp32"].rehearse_optimizer(recipe_of(optimizer="adafactor"))
    whole = rehearse(make_model("bfloat16"), recipe_of(optimizer="adafactor"), component_of=own_path)
    assert runs["bf16"].with_optimizer(record).trace == whole.timeline.trace


def test_weights_of_other_dtypes_are_another_set():
    sets = [run_apart(recipe_of(method="full", precision=p)).parameter_set for p in ("fp32", "bf16", "fp16")]
    assert len(set(sets)) == 3


class Odd(torch.optim.SGD):
    """An optimizer that does something that the run sees."""

    def __init__(self, model: Any, deed: Callable[[Any], None]) -> None:
        super().__init__(model.parameters(), lr=0.1)
        self.deed = deed

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                self.deed(parameter)


def replace_gradient(parameter: Any) -> None:
    parameter.grad = parameter.grad * 2


def drop_gradient(parameter: Any) -> None:
    parameter.grad = None


def replace_weight(parameter: Any) -> None:
    parameter.data = parameter.data + 1


def freeze(parameter: Any) -> None:
    parameter.requires_grad_(False)


def hook(parameter: Any) -> None:
    parameter.register_post_accumulate_grad_hook(lambda _: None)


def keep_until_later(parameter: Any) -> None:
    parameter.grad.keepsake = parameter.grad * 2  # lives as long as the gradient does


@pytest.mark.parametrize(
    "deed", [replace_gradient, drop_gradient, replace_weight, freeze, hook, keep_until_later]
)
def test_an_optimizer_that_does_more_than_step_is_told_by_it(deed, monkeypatch):
    recipe = recipe_of(method="full")
    run = run_apart(recipe)
    monkeypatch.setattr(module, "build_optimizer", lambda model, _: Odd(model, deed))
    with pytest.raises(InseparableError):
        run.with_optimizer(run.rehearse_optimizer(recipe))


def test_the_odd_optimizer_without_a_deed_is_separable(monkeypatch):
    recipe = recipe_of(method="full")
    run = run_apart(recipe)
    monkeypatch.setattr(module, "build_optimizer", lambda model, _: Odd(model, lambda _: None))
    assert run.with_optimizer(run.rehearse_optimizer(recipe)).trace == run.rehearsal.timeline.trace


def test_optimizers_that_step_in_backward_are_not_rehearsed_alone():
    run = run_apart(recipe_of(method="full"))
    for settings in ({"optimizer": "lomo"}, {"optimizer_in_backward": True, "max_grad_norm": 0.0}):
        with pytest.raises(InseparableError):
            run.rehearse_optimizer(recipe_of(method="full", **settings))


def test_an_optimizer_that_cannot_be_made_says_so_and_leaves_the_run_as_it_was():
    run = run_apart(recipe_of(method="full"))
    with pytest.raises(RecipeError):
        run.rehearse_optimizer(recipe_of(method="full", optimizer="adamw_torch_xla"))
    joint = run.with_optimizer(run.rehearse_optimizer(recipe_of(method="full", optimizer="sgd")))
    whole = rehearse(make_model("bfloat16"), recipe_of(method="full", optimizer="sgd"), component_of=own_path)
    assert joint.trace == whole.timeline.trace
