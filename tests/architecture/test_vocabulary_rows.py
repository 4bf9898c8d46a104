"""Rows of the embedding beside the tokenizer's ids."""

from tiny_models import TINY_LLAMA

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.vocabulary_rows import rows_of


def test_spare_rows_are_used_first(blueprint_of):
    rows = rows_of(anatomy_from(blueprint_of(TINY_LLAMA)), highest_id=249)
    assert (rows.rows, rows.used, rows.beyond, rows.tables) == (256, 250, 6, 2)
    assert rows.missing(6) == 0
    assert rows.missing(7) == 1


def test_more_tokens_cost_what_transformers_adds(blueprint_of):
    """Against resize_token_embeddings of the real model."""
    from anatomy.architecture.skeleton import build_skeleton

    for tied in (False, True):
        blueprint = blueprint_of({**TINY_LLAMA, "tie_word_embeddings": tied})
        anatomy = anatomy_from(blueprint)
        cost = rows_of(anatomy, highest_id=255).to_dict(10)
        model = build_skeleton(blueprint).model
        before = sum(p.numel() for p in model.parameters())
        model.resize_token_embeddings(256 + 10, mean_resizing=False)
        model.tie_weights()
        after = sum(p.numel() for p in model.parameters())
        assert cost["added_parameters"] == after - before == 10 * 64 * (1 if tied else 2)


def test_a_tokenizer_with_too_many_ids(blueprint_of):
    rows = rows_of(anatomy_from(blueprint_of(TINY_LLAMA)), highest_id=299)
    assert rows.beyond == -44
    assert rows.missing(1) == 45
