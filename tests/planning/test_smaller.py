"""The smallest change with which a run fits: what is tried, in which order, and what is taken back."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.errors import RecipeError
from anatomy.planning.smaller import Layers, Smaller, does_not_fit, smaller
from anatomy.training.recipe import Recipe
from anatomy.units import GIB

FULL = Recipe(
    method="full", batch_size=8, seq_len=1024, gradient_checkpointing="off", optimizer="adamw_torch"
)
STATES = {"adamw_torch": 8, "adamw_bnb_8bit": 2, "paged_adamw_8bit": 0}
LAYERS = Layers(setting="num_hidden_layers", count=32)


class Model:
    """A device, and a model whose memory is a sum that one can add up: weights and states, and tokens."""

    def __init__(self, free, *, refuses=()):
        self.free = free
        self.refuses = refuses
        self.tried = []

    def bytes(self, recipe, overrides):
        weights = {"full": 4, "lora": 2, "qlora": 1}[recipe.method] * 100
        states = STATES[recipe.optimizer] * (50 if recipe.method == "full" else 1)
        tokens = recipe.batch_size * recipe.seq_len // (8 if recipe.gradient_checkpointing == "off" else 32)
        return (weights + states + tokens) * overrides.get(LAYERS.setting, LAYERS.count) // LAYERS.count

    def __call__(self, recipe, overrides):
        if recipe.optimizer in self.refuses or recipe.method in self.refuses:
            raise RecipeError("no")
        self.tried.append((recipe, dict(overrides)))
        needed = self.bytes(recipe, overrides)
        return needed if needed <= self.free else None


def change(free, recipe=FULL, **options):
    found = smaller(recipe, Model(free), **options)
    return None if found is None else (dict(found.change), dict(found.overrides))


def test_checkpointing_alone():
    model = Model(1056)
    found = smaller(FULL, model)
    assert found == Smaller(change={"gradient_checkpointing": "non-reentrant"}, needed_bytes=1056)
    assert found.flags == "--gradient-checkpointing"
    # What did not fit is not tried again but once: without it.
    assert len(model.tried) == 2


def test_as_few_micro_batches_as_do():
    found = smaller(FULL, Model(930))
    # 400 + 400 + 4 x 1024 / 32 = 928; checkpointing has to stay.
    assert found.needed_bytes == 928
    assert found.change == {"gradient_checkpointing": "non-reentrant", "batch_size": 4, "grad_accum": 2}
    assert found.flags == "--gradient-checkpointing --batch-size 4 --grad-accum 2"


def test_the_step_stays_the_same_step():
    for batch, accumulated in product((6, 7, 12), (1, 3)):
        found = smaller(replace(FULL, batch_size=batch, grad_accum=accumulated), Model(850))
        assert found.change["batch_size"] * found.change["grad_accum"] == batch * accumulated


def test_smaller_states_before_shorter_sequences():
    """Of two kinds that would do, the one that leaves the batch as it was."""
    found = smaller(FULL, Model(600))
    assert found.change["optimizer"] == "adamw_bnb_8bit"
    assert "seq_len" not in found.change
    assert "method" not in found.change


def test_earlier_changes_are_taken_back_where_a_later_one_suffices():
    assert change(1500, replace(FULL, optimizer="adamw_bnb_8bit")) == (
        {"gradient_checkpointing": "non-reentrant"},
        {},
    )
    # Adapters leave so much room that nothing else has to change but checkpointing.
    found, _ = change(380)
    assert found["method"] == "lora"
    assert "optimizer" not in found
    assert "seq_len" not in found


def test_a_four_bit_base_only_where_adapters_do_not_suffice():
    assert change(213)[0]["method"] == "lora"
    assert change(140)[0]["method"] == "qlora"


def test_layers_are_left_out_last_and_as_few_as_possible():
    found, overrides = change(80, layers=LAYERS)
    assert found == {}
    # 400 + 400 + 1024 = 1824: of 32 layers one takes 57.
    assert overrides == {"num_hidden_layers": 1}
    assert smaller(FULL, Model(80), layers=LAYERS).flags == "--set num_hidden_layers=1"
    assert change(80, replace(FULL, batch_size=1), layers=LAYERS)[1] == {"num_hidden_layers": 2}


def test_layers_of_the_smallest_recipe_where_one_of_this_is_too_many():
    found, overrides = change(20, layers=LAYERS)
    assert (found["method"], found["seq_len"], found["batch_size"]) == ("qlora", 128, 1)
    assert overrides[LAYERS.setting] == 6  # 104 of them in 32 layers


def test_nothing_will_do():
    assert smaller(FULL, Model(1), layers=LAYERS) is None
    assert smaller(FULL, Model(100)) is None


def test_what_cannot_be_run_is_no_answer():
    model = Model(600, refuses=("adamw_bnb_8bit", "paged_adamw_8bit", "qlora"))
    found = smaller(FULL, model)
    assert found.change["method"] == "lora"
    assert smaller(FULL, Model(140, refuses=("qlora",))) is None


def test_nothing_that_is_there_already_is_proposed():
    lean = Recipe(method="qlora", batch_size=1, seq_len=128, optimizer="paged_adamw_8bit")
    model = Model(1)
    assert smaller(lean, model) is None
    assert model.tried == []


@given(
    st.integers(1, 1900),
    st.sampled_from(("full", "lora", "qlora")),
    st.integers(1, 12),
    st.integers(1, 4000),
    st.sampled_from(("off", "reentrant")),
    st.sampled_from(sorted(STATES)),
)
def test_it_fits_and_no_part_of_it_can_be_left_out(free, method, batch, tokens, checkpointing, optimizer):
    recipe = Recipe(
        method=method,
        batch_size=batch,
        seq_len=tokens,
        gradient_checkpointing=checkpointing,
        optimizer=optimizer,
    )
    model = Model(free)
    if model.bytes(recipe, {}) <= free:
        return
    found = smaller(recipe, model, layers=LAYERS)
    assert len(model.tried) < 50
    assert len(model.tried) == len({(tried, tuple(overrides.items())) for tried, overrides in model.tried})
    if found is None:
        least = {"method": "qlora", "batch_size": 1, "seq_len": min(tokens, 128)}
        assert model.bytes(replace(recipe, **least), {LAYERS.setting: 1}) > free or tokens > 128
        return
    changed = replace(recipe, **found.change)
    assert model.bytes(changed, found.overrides) == found.needed_bytes <= free
    if found.overrides:
        return
    for left in found.change:
        if left == "grad_accum":
            continue
        without = {name: value for name, value in found.change.items() if name != left}
        assert model.bytes(replace(recipe, **without), {}) > free


def test_the_refusal_has_both_numbers_and_the_flags():
    error = does_not_fit(
        24 * GIB, 22 * GIB, "Example GPU", Smaller(change={"batch_size": 2}, needed_bytes=20 * GIB)
    )
    assert error.message == "This run needs 24.00 GiB, and Example GPU has 22.00 GiB free."
    assert error.hint == "it fits with --batch-size 2 (20.00 GiB)"
    assert "smaller model" in does_not_fit(2, 1, "x", None).hint


def test_layer_flags():
    found = Smaller(change={"seq_len": 256}, overrides={"text_config.num_hidden_layers": 4}, needed_bytes=1)
    assert found.flags == "--seq-len 256 --set text_config.num_hidden_layers=4"


@pytest.mark.parametrize("optimizer", ["sgd", "adafactor"])
def test_an_optimizer_without_a_smaller_twin_stays(optimizer, monkeypatch):
    monkeypatch.setitem(STATES, optimizer, 8)
    assert "optimizer" not in change(380, replace(FULL, optimizer=optimizer))[0]
