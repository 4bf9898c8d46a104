"""A micro-batch as one long row."""

import pytest
import torch
from families import make

from anatomy.errors import RecipeError
from anatomy.training.inputs.batch import plan_batch
from anatomy.training.padding_free import flattened
from anatomy.training.recipe import Recipe


def test_the_row_is_what_transformers_own_collator_makes():
    from transformers import DataCollatorWithFlattening

    rows = [[5, 6, 7], [8, 9, 10]]
    theirs = DataCollatorWithFlattening()([{"input_ids": row} for row in rows])
    ours = flattened({"input_ids": torch.tensor(rows), "labels": torch.tensor(rows)})
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_batch_is_as_long_as_all_its_sequences():
    batch = plan_batch(make("llama", "meta"), Recipe(batch_size=3, seq_len=8, padding_free=True)).make()
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == dict.fromkeys(
        ("input_ids", "labels", "position_ids"), (1, 24)
    )


def test_the_answer_says_how_long_the_row_is_and_nothing_of_each_sequence():
    said = plan_batch(make("llama", "meta"), Recipe(batch_size=3, seq_len=8, padding_free=True)).assumptions
    assert said == (
        "the sequences of a micro-batch come as one row of 24 tokens, told apart by their positions",
    )


@pytest.mark.parametrize(
    ("family", "settings", "said"),
    [("llama", {"padded": True}, "contradict"), ("t5", {}, "takes no position_ids")],
)
def test_what_cannot_tell_sequences_apart_is_refused(family, settings, said):
    with pytest.raises(RecipeError, match=said):
        plan_batch(make(family, "meta"), Recipe(padding_free=True, seq_len=8, **settings))
