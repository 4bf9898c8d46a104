"""Checkpoints: every so many blocks, and inputs that wait in the host's memory."""

import pytest
import torch
from families import make

from anatomy.errors import RecipeError
from anatomy.memory.footprint import footprint
from anatomy.memory.timeline import Phase
from anatomy.rehearsal.kernels.host_stash import SaveOnHost, stashing
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training import checkpointing
from anatomy.training.recipe import Recipe

BATCH, TOKENS = 2, 64


def kept(**settings) -> int:
    """Requested bytes between the loss and backward."""
    recipe = Recipe(
        **{"method": "full", "precision": "fp32", "batch_size": BATCH, "seq_len": TOKENS, **settings}
    )
    run = rehearse(make("llama", "meta"), recipe, component_of=lambda path: "")
    return footprint(run.timeline).resting[Phase.LOSS]


def inputs_of_blocks() -> tuple[int, int]:
    config = make("llama", "meta").config
    return config.num_hidden_layers, BATCH * TOKENS * config.hidden_size * 4


@pytest.mark.parametrize("kind", ["non-reentrant", "reentrant"])
def test_inputs_that_wait_on_the_host_leave_the_device(kind):
    """With adapters the first block's stays: it is a leaf, to ask for gradients, and what accumulates them holds it."""
    blocks, size = inputs_of_blocks()
    for method, moved in (("full", blocks), ("lora", blocks - 1)):
        held, offloaded = (
            kept(method=method, gradient_checkpointing=kind, checkpoint_offload=offload)
            for offload in (False, True)
        )
        assert held - offloaded == moved * size


def test_blocks_between_checkpoints_keep_their_activations():
    every, second, none = (
        kept(checkpoint_every=1),
        kept(checkpoint_every=2),
        kept(gradient_checkpointing="off"),
    )
    blocks, _ = inputs_of_blocks()
    assert blocks == 3, "of which the first and the last are checkpointed"
    assert every < second
    shared = blocks * (second - every) - (none - every)
    assert 0 <= shared < 1024, "what the blocks between share, such as positions, counts once"


def test_torchs_own_hooks_come_back():
    from transformers import modeling_utils

    own = modeling_utils.save_on_cpu
    with stashing():
        assert modeling_utils.save_on_cpu is SaveOnHost
    assert modeling_utils.save_on_cpu is own


def test_what_the_hooks_give_back_is_what_torchs_give_back():
    """torch's own, with pinning as transformers asks for it: contiguous, of the same size and dtype."""
    leaf = torch.randn(3, 4, requires_grad=True)
    found = []
    for hooks in (torch.autograd.graph.save_on_cpu(pin_memory=True), SaveOnHost(pin_memory=True)):
        with hooks:
            out = (leaf.t() * 2).exp()
        saved = out.grad_fn._saved_result
        found.append((saved.shape, saved.dtype, saved.is_contiguous()))
    assert found[0] == found[1]


def test_a_version_that_cannot_offload_refuses():
    def enable(gradient_checkpointing_kwargs=None):
        raise AssertionError("refused before")

    with pytest.raises(RecipeError, match="has no every_n_layers and no offload"):
        checkpointing._further(enable, Recipe(checkpoint_every=2, checkpoint_offload=True))
