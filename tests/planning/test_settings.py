"""From what was typed to a complete recipe, and to a file and back."""

import tomllib
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.errors import RecipeError
from anatomy.planning.settings import (
    adapt,
    complete,
    make_recipe,
    recipe_from_toml,
    recipe_to_toml,
    settings_in_use,
)
from anatomy.training.peft_types import PEFT_TYPES
from anatomy.training.recipe import Recipe

recipes = st.builds(
    Recipe,
    method=st.sampled_from(["full", "lora", "qlora"]),
    r=st.integers(1, 512),
    alpha=st.none() | st.integers(1, 512),
    dropout=st.sampled_from([0.0, 0.05, 0.5]),
    target_modules=st.just("all-linear")
    | st.just(r".*\.(q|v)_proj")
    | st.lists(st.sampled_from(["q_proj", 'odd "name"', "v\\w"]), min_size=1).map(tuple),
    precision=st.sampled_from(["fp32", "bf16", "fp16-mixed"]),
    gradient_checkpointing=st.sampled_from(["off", "reentrant", "non-reentrant"]),
    kbit_prepare=st.sampled_from(["off", "peft", "trl"]) | st.booleans(),
    quant_skip=st.lists(st.sampled_from(["lm_head", "gate"])).map(tuple),
)
values = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(recipes)
def test_a_recipe_survives_its_file(recipe):
    text = recipe_to_toml(recipe)
    assert recipe_from_toml(text) == recipe
    missing = {name for name, value in recipe.to_dict().items() if value is None}
    assert tomllib.loads(text).keys() == {f.name for f in fields(Recipe)} - missing


@given(st.sampled_from(sorted(PEFT_TYPES)), st.dictionaries(st.text(), values, max_size=3), st.booleans())
def test_adapters_of_any_type_survive_their_file(peft_type, settings, quantized):
    recipe = Recipe(method="qpeft" if quantized else "peft", peft_type=peft_type, peft=settings)
    assert recipe_from_toml(recipe_to_toml(recipe)) == recipe
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert hash(recipe) == hash(Recipe.from_dict(recipe.to_dict()))


def test_what_is_left_out_follows_the_method():
    assert make_recipe({"method": "vera"}).r == 256
    assert make_recipe({"method": "vera", "r": 16}).r == 16
    assert make_recipe({"method": "ia3"}).target_modules == "peft-default"
    assert make_recipe({"method": "lora"}, make_recipe({"method": "vera"})) == Recipe()
    assert make_recipe({"method": "vera"}, Recipe(r=8)).r == 8  # chosen before
    assert recipe_from_toml('method = "vera"') == make_recipe({"method": "vera"})


def test_a_type_alone_is_a_method():
    assert make_recipe({"peft_type": "OFT"}) == Recipe(method="peft", peft_type="OFT")
    assert make_recipe({"peft_type": "OFT"}, Recipe(method="qlora")).method == "qpeft"
    other = make_recipe({"peft_type": "OFT", "peft": {"oft_block_size": 16}})
    assert make_recipe({"method": "lora"}, other) == Recipe(), "another type's settings mean nothing"
    assert make_recipe({"method": "qlora"}, Recipe(peft={"bias": "all"})).peft == {"bias": "all"}


def test_what_is_given_wins_over_the_base():
    base = Recipe(method="qlora", r=8, seq_len=512)
    assert make_recipe({"r": 64}, base) == Recipe(method="qlora", r=64, seq_len=512)
    assert make_recipe({}) == Recipe()


@pytest.mark.parametrize(
    ("given_settings", "said"),
    [
        ({"method": "full", "r": 4}, "r means nothing for method 'full'"),
        ({"method": "full", "target_modules": ("q",)}, "target_modules means nothing"),
        ({"method": "lora", "quant_type": "fp4"}, "quant_type means nothing for method 'lora'"),
        ({"double_quant": False}, "double_quant means nothing"),
        ({"method": "ia3", "r": 4}, "r means nothing for method 'ia3'"),
        ({"method": "prompt-tuning", "target_modules": ("q",)}, "target_modules means nothing"),
        ({"method": "lora", "r": 4, "peft": {"r": 8}}, "r means nothing"),
        ({"method": "full", "peft": {"bias": "all"}}, "peft means nothing"),
        ({"method": "lora", "peft_type": "OFT"}, "both say what is trained"),
        ({"method": "peft"}, "needs a peft_type"),
        ({"last_n": 2}, "last_n means nothing for method 'lora'"),
        ({"method": "last-n", "last_n": 0, "train_head": False}, "nothing is trained"),
        ({"peft_type": "OF"}, "peft_type 'OF' is unknown"),
        ({"peft": {"bias": None}}, "peft.bias is null"),
        ({"rank": 4}, "'rank' is not a setting"),
        ({"r": 0}, "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(given_settings, said):
    with pytest.raises(RecipeError, match=said):
        make_recipe(given_settings)


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("r", "64", "an integer"),
        ("r", 64.0, "an integer"),
        ("batch_size", True, "an integer"),
        ("seq_len", None, "an integer"),
        ("dropout", "0.1", "a number or an integer"),
        ("double_quant", 1, "true or false"),
        ("optimizer", 3, "a string"),
        ("target_modules", 3, "a string or a list of names"),
        ("peft", "bias=all", "a table of settings"),
    ],
)
def test_a_value_of_another_type_is_refused(setting, value, wanted):
    with pytest.raises(RecipeError, match=f"^{setting} is {value!r}, but must be {wanted}.$") as refused:
        make_recipe({setting: value})
    assert refused.value.setting == setting


def test_a_misspelt_setting_is_named():
    for make in (make_recipe, Recipe.from_dict):
        with pytest.raises(RecipeError, match="'methd' is not a setting") as refused:
            make({"methd": "lora"})
        assert refused.value.hint == "did you mean method?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("r = ", "not TOML"),
        ("rank = 4", "'rank' is not a setting"),
        ('r = "64"', "must be an integer"),
        ("r = true", "must be an integer"),
        ("double_quant = 1", "must be true or false"),
        ("target_modules = 3", "must be a string or a list of names"),
        ("seq_len = 1.5", "must be an integer"),
        ("peft = 3", "must be a table of settings"),
        ('method = "peft"\npeft_type = 3', "must be a string"),
    ],
)
def test_a_bad_file_is_refused(text, said):
    with pytest.raises(RecipeError, match=said):
        recipe_from_toml(text)


def test_a_full_fine_tune_has_no_rank():
    assert "r" not in settings_in_use(Recipe(method="full"))
    everything = Recipe(
        method="qpeft", peft_type="LORA", peft={"bias": "all"}, precision="bf16-mixed", dequantize=True
    )
    galore = Recipe(optimizer="galore_adamw", optim_args="rank=64", optim_target_modules="all-linear")
    more = (
        Recipe(method="last-n"),
        Recipe(method="houlsby"),
        galore,
        Recipe(objective="dpo"),
        Recipe(eval_batches=2, eval_accumulation_steps=1),
    )
    seen = Recipe(images=1, image_size=(224, 224), audio_seconds=30.0)
    others = (settings_in_use(recipe).keys() for recipe in (*more, seen))
    assert set(settings_in_use(everything)).union(*others) == set(Recipe().to_dict())


def test_settings_of_an_optimizer_need_one_that_reads_them():
    assert not {"optim_args", "optim_target_modules"} & settings_in_use(Recipe()).keys()
    with pytest.raises(RecipeError, match="optim_args means nothing for optimizer 'adamw_torch'"):
        make_recipe({"optimizer": "adamw_torch", "optim_args": "rank=4"})
    with pytest.raises(RecipeError, match="optim_target_modules means nothing for optimizer"):
        make_recipe({"optim_target_modules": "all-linear"})
    with pytest.raises(RecipeError, match="reads no 'rnak'") as caught:
        make_recipe({"optimizer": "galore_adamw", "optim_args": "rnak=4"})
    assert "rank" in caught.value.hint
    with pytest.raises(RecipeError, match="not 'key=value"):
        make_recipe({"optimizer": "sgd", "optim_args": "momentum"})
    asked = make_recipe(
        {"optimizer": "galore_adamw", "optim_args": "rank=4", "optim_target_modules": ("q_proj",)}
    )
    assert recipe_from_toml(recipe_to_toml(asked)) == asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grad_accum": 2}, "none can be accumulated"),
        ({"precision": "fp16-mixed"}, "no gradients for the loss scaler"),
        ({"optimizer": "lomo"}, "updates in backward already"),
        ({"optimizer": "galore_adamw", "optim_target_modules": "all-linear"}, "layerwise variant"),
    ],
)
def test_an_optimizer_in_backward_excludes(changes, said):
    with pytest.raises(RecipeError, match=said):
        make_recipe({"optimizer_in_backward": True, **changes})


def test_an_optimizer_in_backward_leaves_nothing_to_clip():
    asked = make_recipe({"optimizer_in_backward": True})
    adapted, why = adapt(asked, ("optimizer_in_backward",), longest=None, checkpoints=True)
    assert adapted.max_grad_norm == 0.0
    assert "clip" in why["max_grad_norm"]
    assert adapt(asked, ("max_grad_norm",), longest=None, checkpoints=True) == (asked, {})


def test_a_dtype_of_loading_needs_autocast():
    assert make_recipe({"precision": "bf16-mixed", "load_dtype": "bf16"}).weight_dtype == "bfloat16"
    assert make_recipe({"precision": "bf16-mixed"}).weight_dtype == "float32"
    with pytest.raises(RecipeError, match="contradicts precision"):
        make_recipe({"precision": "fp16", "load_dtype": "bf16"})


def test_a_complete_recipe_says_its_alpha():
    """PEFT needs a number; left out it is twice the rank."""
    assert complete(Recipe(r=64)) == Recipe(r=64, alpha=128)
    assert complete(Recipe(r=64, alpha=1)).alpha == 1


def test_defaults_give_way_to_what_the_model_can_run():
    adapted, why = adapt(Recipe(), (), longest=512, checkpoints=False)
    assert adapted == Recipe(seq_len=512, gradient_checkpointing="off")
    assert why.keys() == {"seq_len", "gradient_checkpointing"}
    assert adapt(Recipe(), (), longest=4096, checkpoints=True) == (Recipe(), {})
    assert adapt(Recipe(), (), longest=None, checkpoints=True) == (Recipe(), {})


def test_what_was_chosen_stays():
    chosen = ("seq_len", "gradient_checkpointing")
    assert adapt(Recipe(), chosen, longest=512, checkpoints=False) == (Recipe(), {})


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 0},
        {"r": 2**16 + 1},
        {"alpha": 0},
        {"batch_size": 0},
        {"seq_len": 0},
        {"grad_accum": 0},
        {"dropout": 2},
        {"dropout": float("nan")},
        {"max_grad_norm": -1},
        {"max_grad_norm": float("nan")},
        {"batch_size": 2**16, "seq_len": 2**16},
        {"target_modules": "["},
        {"optimizer_name": "sgd"},
    ],
)
def test_a_refusal_has_a_sentence_and_a_hint(settings):
    with pytest.raises(RecipeError) as caught:
        make_recipe(settings)
    assert caught.value.message.endswith(".")
    assert caught.value.hint


def test_the_most_is_accepted():
    assert make_recipe({"r": 2**16, "batch_size": 2**15, "seq_len": 2**16}).r == 2**16


@pytest.mark.parametrize(
    ("precision", "said"), [("fp8", "fp8 training is not modelled"), ("tf32", "it changes no byte")]
)
def test_precisions_that_no_rehearsal_runs(precision, said):
    with pytest.raises(RecipeError, match=said):
        make_recipe({"precision": precision})


@pytest.mark.parametrize("trained", [{"method": "full"}, {"method": "lora", "adapter_dtype": "base"}])
def test_gradients_in_fp16_cannot_be_unscaled(trained):
    with pytest.raises(RecipeError, match="GradScaler refuses them"):
        Recipe(precision="fp16-mixed", load_dtype="fp16", **trained)
    assert Recipe(precision="fp16-mixed", load_dtype="fp16").method == "lora"


def test_k_bit_preparation_of_older_recipes_was_yes_or_no():
    assert recipe_from_toml("kbit_prepare = true").kbit_prepare == "peft"
    assert recipe_from_toml("kbit_prepare = false").kbit_prepare == "off"


def test_an_int8_base_has_no_blocks():
    with pytest.raises(RecipeError, match="needs a 4-bit base"):
        make_recipe({"method": "qlora", "quant_type": "int8", "quant_block_size": 128})
