"""What each precision makes of weights, gradients and Adam's states: bytes of a trained parameter, from the rehearsal.

Products are computed in the dtype of the weights, under '-mixed' in autocast's; on one GPU nothing is reduced.
"""

from typing import Any

import pytest
import torch
from families import make, tiny_recipe

from anatomy.memory.timeline import Category
from anatomy.rehearsal.rehearse import rehearse

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

EXISTING = [
    ({"precision": "fp32"}, (4, 4, 8)),
    ({"precision": "bf16"}, (2, 2, 4)),
    (
        {"precision": "fp16"},
        (2, 2, 4),
    ),  # no loss is scaled: the Trainer has a GradScaler under fp16=True alone
    ({"precision": "bf16-mixed"}, (4, 4, 8)),
    ({"precision": "fp16-mixed"}, (4, 4, 8)),
    ({"precision": "bf16-mixed", "load_dtype": "bf16"}, (2, 2, 4)),
    ({"precision": "bf16", "method": "lora"}, (4, 4, 8)),  # adapters: PEFT casts them to fp32
    ({"precision": "bf16", "method": "lora", "adapter_dtype": "base"}, (2, 2, 4)),
    ({"precision": "bf16", "method": "lora", "adapter_dtype": "bf16"}, (2, 2, 4)),
    ({"precision": "fp32", "method": "lora", "adapter_dtype": "bf16"}, (2, 2, 4)),
]


@pytest.mark.parametrize(
    ("changes", "expected"),
    EXISTING,
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_bytes_of_a_trained_parameter(changes: dict[str, Any], expected: tuple[int, int, int]) -> None:
    recipe = tiny_recipe("llama", **{"gradient_checkpointing": "off", "optimizer": "adamw_torch", **changes})
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, recipe.weight_dtype))
    model = make("llama", "meta")
    torch.set_default_dtype(before)
    done = rehearse(model, recipe, component_of=lambda _: "")
    held: dict[Category, int] = dict.fromkeys(Category, 0)
    for event in done.timeline.events():
        if event.step == 2 and event.phase.value == "optimizer step":
            break  # everything of the second step is there, and nothing is updated yet
        held[event.block.category] += event.block.bytes if event.born else -event.block.bytes
    trained = Category.ADAPTERS if recipe.uses_adapters else Category.WEIGHTS
    found = [
        held[kind] / done.trainable_parameters for kind in (trained, Category.GRADIENTS, Category.OPTIMIZER)
    ]
    assert found == pytest.approx(expected, abs=0.01)  # a step counter for every tensor beside
