"""A dataset's lengths: the batch is what its examples make, not what the cap allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.errors import RecipeError
from anatomy.planning.lengths import Lengths, longest_batch, parse_lengths
from anatomy.training.recipe import Recipe


def test_a_file_of_lengths():
    found = parse_lengths("# tokens\n12\n\n7  # short\n100\n", "lengths.txt")
    assert found.tokens == (100, 12, 7)
    assert (found.quantile(0.5), found.quantile(0.95)) == (12, 100)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "12\ntwelve\n", "1.5\n", "-3\n", "0\n", "9" * 30, "１２\n"]
)
def test_what_are_no_lengths_is_refused(text):
    with pytest.raises(RecipeError):
        parse_lengths(text, "lengths.txt")


def test_a_batch_is_as_long_as_its_longest_example():
    lengths = Lengths.of((100, 900, 30), "lengths.txt")
    recipe, said = longest_batch(lengths, Recipe(batch_size=2), cap=None)
    assert (recipe.seq_len, recipe.padded) == (900, True)
    assert (
        said
        == "the batch is the longest of the 3 lengths in lengths.txt; median 100, 95 % at most 900, longest 900"
    )


def test_a_single_sequence_and_equal_ones_need_no_padding():
    assert not longest_batch(Lengths.of((5, 9), "f"), Recipe(batch_size=1), cap=None)[0].padded
    assert not longest_batch(Lengths.of((9, 9, 9, 9), "f"), Recipe(batch_size=4), cap=None)[0].padded


def test_a_batch_of_more_examples_than_there_are_is_refused():
    with pytest.raises(RecipeError, match="fewer than a micro-batch of 3"):
        longest_batch(Lengths.of((5, 9), "f"), Recipe(batch_size=3), cap=None)


def test_a_chosen_length_cuts():
    recipe, said = longest_batch(Lengths.of((100, 900, 800), "f"), Recipe(batch_size=2), cap=512)
    assert recipe.seq_len == 512
    assert said.endswith("seq_len cuts 2 of them to 512")
    assert longest_batch(Lengths.of((100,), "f"), Recipe(), cap=512)[1].endswith(
        "none is longer than seq_len 512"
    )


def test_without_padding_the_longest_examples_make_the_row():
    lengths = Lengths.of((1, 400, 100, 601), "f")
    recipe, said = longest_batch(lengths, Recipe(batch_size=2, padding_free=True), cap=None)
    assert recipe.seq_len * recipe.batch_size == 1002  # 1,001, rounded up to whole tokens a sequence
    assert not recipe.padded
    assert said.startswith(
        "the batch is the 2 longest of the 4 lengths in f; they are 1,001 tokens in one row, planned as 2 of their mean; "
    )


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=50),
    st.integers(1, 8),
    st.none() | st.integers(1, 6000),
)
def test_no_batch_of_the_examples_is_longer(tokens, batch_size, cap):
    batch_size = min(batch_size, len(tokens))
    recipe, _ = longest_batch(Lengths.of(tokens, "f"), Recipe(batch_size=batch_size), cap)
    assert recipe.seq_len == min(max(tokens), cap or max(tokens))
    free, _ = longest_batch(Lengths.of(tokens, "f"), Recipe(batch_size=batch_size, padding_free=True), cap)
    assert free.seq_len <= recipe.seq_len
