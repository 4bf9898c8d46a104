"""What an evaluation keeps, and what none can be."""

import pytest
import torch
from families import make, tiny_recipe

from anatomy.errors import RecipeError
from anatomy.memory.timeline import Category, Phase
from anatomy.planning.settings import make_recipe
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.evaluation import evaluation_of
from anatomy.training.recipe import Recipe
from anatomy.training.step import EVALUATED_AFTER, prepare, step


def evaluated(**changes):
    recipe = tiny_recipe("llama", eval_batches=4, eval_batch_size=3, **changes)
    return rehearse(make("llama", "meta"), recipe, component_of=lambda path: "")


@pytest.mark.parametrize("keeps", [True, False])
def test_kept_logits_are_called_logits(keeps):
    found = evaluated(eval_keep_logits=keeps)
    steps = {mark.step for mark in found.timeline.marks if mark.phase is Phase.EVALUATION}
    assert steps == {EVALUATED_AFTER}
    born = [
        event.block for event in found.timeline.events() if event.born and event.phase is Phase.EVALUATION
    ]
    together = [block for block in born if block.op == "aten.cat" and not block.module]
    assert {block.category for block in together} == {Category.LOGITS}
    vocabulary = make("llama", "meta").config.vocab_size
    of_batches = [3 * 32 * vocabulary * 4 * count for count in (2, 3, 4)]
    assert [block.bytes for block in together if block.bytes in of_batches] == (of_batches if keeps else [])
    assert ("logits and labels of all of them are kept" in " ".join(found.assumptions)) is keeps
    assert found.not_modelled[0] == "generation and saving"


def test_nothing_of_it_is_left():
    found = evaluated(eval_keep_logits=True).timeline
    alive, at_begin = 0, None
    for event in found.events():
        if event.phase is Phase.EVALUATION and at_begin is None:
            at_begin = alive
        alive += event.block.bytes if event.born else -event.block.bytes
    batch = (
        2 * 32 * 8 * 3
    )  # of the step before, which the Trainer holds until the next one: ids, mask, labels
    assert 0 <= at_begin - alive <= batch + 16


def test_training_goes_on_as_before():
    """Losses of the third step with and without an evaluation after the second."""
    losses = []
    for batches in (0, 2):
        recipe = tiny_recipe("llama", eval_batches=batches, eval_keep_logits=True)
        torch.manual_seed(0)
        model = make("llama", "cpu")
        run = prepare(model, torch.optim.AdamW(model.parameters()), recipe, lambda: None, "cpu")
        evaluation = evaluation_of(model, recipe)
        torch.manual_seed(1)
        ids = torch.randint(0, 100, (2, 32))
        run.make_batch, run.evaluation = lambda ids=ids: {"input_ids": ids, "labels": ids}, evaluation
        for _ in range(3):
            step(run, lambda phase: None)
        assert run.model.training
        losses.append(run.loss_so_far.item())
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"eval_batches": 2, "objective": "dpo"}, "passes of its own"),
        ({"eval_batches": 2, "eval_keep_logits": True, "loss": "cut"}, "makes no logits"),
        ({"eval_batches": -1}, "at least 0"),
        ({"eval_batches": 10**9}, "at most 10,000"),
        ({"eval_batches": 2, "eval_batch_size": 0}, "at least 1"),
        ({"eval_keep_logits": True}, "means nothing"),
        ({"eval_accumulation_steps": 4}, "means nothing"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(given, words):
    with pytest.raises(RecipeError, match=words):
        make_recipe(given, Recipe())


def test_batches_beyond_two_rounds_to_the_host_are_like_those():
    model = make("llama", "meta")
    found = evaluation_of(model, Recipe(seq_len=8, eval_batches=500, eval_accumulation_steps=4))
    assert (found.batches, found.batch_size, found.keeps_logits) == (8, 8, False)
    assert evaluation_of(model, Recipe(seq_len=8)) is None
