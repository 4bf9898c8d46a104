"""Experts that are fused today, adapted by the names that their linear layers had: PEFT's table, not ours."""

from typing import Any

import peft
import pytest
import torch
import transformers

from anatomy.errors import RecipeError
from anatomy.rehearsal.rehearse import Rehearsal, rehearse
from anatomy.training.recipe import Recipe

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
EXPERTS = ("gate", "gate_proj", "up_proj", "down_proj")


def model_on(device: str) -> Any:
    config = transformers.Qwen3MoeConfig(
        vocab_size=128, hidden_size=32, intermediate_size=64, moe_intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, num_experts=4, num_experts_per_tok=2,
    )  # fmt: skip
    with torch.device(device):
        return transformers.Qwen3MoeForCausalLM(config)


def planned(targets: Any) -> Rehearsal:
    recipe = Recipe(method="lora", r=4, target_modules=targets, seq_len=16, gradient_checkpointing="off")
    return rehearse(model_on("meta"), recipe, component_of=lambda _: "")


def of_peft(targets: Any) -> int:
    named = targets if isinstance(targets, str) else list(targets)
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=named)
    return int(peft.get_peft_model(model_on("cpu"), config).get_nb_trainable_parameters()[0])


@pytest.mark.parametrize(
    "targets",
    [
        "all-linear",
        (*ATTENTION, *EXPERTS),
        ("q_proj", "down_proj"),
        (*ATTENTION, "gate_proj", "up_proj"),
        r".*\.experts\.(gate_proj|up_proj)",
    ],
    ids=str,
)
def test_what_is_trained_is_what_peft_trains(targets: Any) -> None:
    assert planned(targets).trainable_parameters == of_peft(targets)


def test_all_linear_is_the_list_of_all() -> None:
    everything = planned("all-linear")
    assert everything.unfused == EXPERTS
    assert everything.targets == planned((*ATTENTION, *everything.unfused)).targets


def test_half_of_what_was_fused_is_refused_by_peft() -> None:
    with pytest.raises(RecipeError, match="gate_proj without also targeting up_proj"):
        planned(("q_proj", "gate_proj"))


def test_a_name_that_nothing_has_or_had_is_refused() -> None:
    with pytest.raises(RecipeError, match="'w1' matches nothing") as refused:
        planned(("q_proj", "w1"))
    assert "gate_proj" in refused.value.hint
