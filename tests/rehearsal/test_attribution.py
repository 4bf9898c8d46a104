"""Every block says which module made it: in forward, in recomputation and in backward."""

import pytest
import torch
from families import make, tiny_recipe

from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.rehearsal.attribution import OUTSIDE
from anatomy.rehearsal.rehearse import rehearse


def timeline(**changes: object) -> Timeline:
    recipe = tiny_recipe("llama", method="lora", target_modules="all-linear", **changes)
    return rehearse(make("llama", "meta"), recipe, component_of=lambda path: path).timeline


@pytest.mark.parametrize("checkpointing", ["off", "non-reentrant", "reentrant"])
def test_at_least_99_percent_of_blocks_name_a_module_that_exists(checkpointing: str) -> None:
    recorded = timeline(gradient_checkpointing=checkpointing, dropout=0.1)
    model = make("llama", "meta")
    leaves = {path for path, module in model.named_modules() if not list(module.children())}
    real = {path for path, _ in model.named_modules()} - {""}
    born = [
        event.block
        for event in recorded.events()
        if event.born
        and event.phase in (Phase.FORWARD, Phase.LOSS, Phase.BACKWARD)
        and event.block.category is not Category.WORKSPACES
    ]
    outside = [b for b in born if b.module == OUTSIDE]
    # Two steps: a batch of three tensors, the count of labels, the loss divided twice and its gradients.
    assert len(outside) <= 2 * 10
    assert all(b.bytes <= 2 * 32 * 8 for b in outside)
    of_the_model = [b for b in born if b.module != OUTSIDE]
    named = [b for b in of_the_model if _bare(b.module) in real]
    in_the_loss = [b for b in of_the_model if b.category is Category.LOGITS and not _bare(b.module)]
    assert len(named) >= 0.99 * (len(of_the_model) - len(in_the_loss))
    assert len(named) > 300
    # What the loss does is the whole model's; all else that is large has a leaf, an attention or an MLP for its maker.
    at_top = [b for b in of_the_model if not _bare(b.module)]
    assert all(b.category is Category.LOGITS or b.bytes <= 512 for b in at_top)
    assert {_bare(b.module) for b in named} >= leaves - {"model.rotary_emb"}


def _bare(path: str) -> str:
    """The path in the model as it was before PEFT wrapped it."""
    path = path.removeprefix("base_model.model").removeprefix(".")
    for inside in (".base_layer", ".lora_A", ".lora_B", ".lora_dropout"):
        path = path.partition(inside)[0]
    return path


@pytest.mark.parametrize("checkpointing", ["off", "non-reentrant", "reentrant"])
def test_weight_gradients_are_born_in_their_own_module(checkpointing: str) -> None:
    """An independent witness: a gradient has the shape of the one weight it belongs to."""
    recorded = timeline(gradient_checkpointing=checkpointing)
    gradients = [b for b in recorded.blocks if b.category is Category.GRADIENTS and b.op == "aten.mm"]
    assert gradients
    for block in gradients:
        assert ".lora_A." in block.module or ".lora_B." in block.module
        rank, itemsize = 4, 4
        width = block.bytes // (rank * itemsize)
        side = 1 if ".lora_A." in block.module else 0
        weight = make("llama", "meta").get_submodule(_bare(block.module)).weight
        assert width == weight.shape[side]


def test_recomputation_is_attributed_to_the_layer_that_is_recomputed() -> None:
    recorded = timeline(gradient_checkpointing="non-reentrant")
    layers = [
        int(event.block.module.split(".layers.")[1].split(".")[0])
        for event in recorded.events()
        if event.born
        and event.phase is Phase.BACKWARD
        and ".layers." in event.block.module
        and event.step == 2
    ]
    assert layers == sorted(layers, reverse=True)
    assert set(layers) == {0, 1, 2}


def test_hooks_are_gone_afterwards() -> None:
    before = len(torch.nn.modules.module._global_forward_hooks)
    timeline()
    assert len(torch.nn.modules.module._global_forward_hooks) == before
