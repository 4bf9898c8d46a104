"""What a comparison varies, and the recipes that come of it."""

import pytest

from anatomy.errors import RecipeError
from anatomy.planning.axes import DEFAULTS, check_meant, choose_axes, make_run
from anatomy.training.recipe import Recipe

BASE = Recipe()


def axes(asked=None, options=None, base=BASE, chosen=()):
    return choose_axes(asked or {}, options or {}, base, chosen)


def test_what_nobody_names_is_varied_over_the_usual_values():
    found = axes()
    assert {name: found.values[name] for name in DEFAULTS} == dict(DEFAULTS)
    assert found.varied == ("method", "precision", "optimizer")


def test_the_usual_values_are_values():
    for method in DEFAULTS["method"]:
        for precision in DEFAULTS["precision"]:
            assert make_run(BASE, {}, {"method": method, "precision": precision}).method == method


def test_a_setting_that_was_chosen_is_not_varied():
    assert axes(options={"method": "dora"}).values["method"] == ("dora",)
    assert axes(base=Recipe(precision="fp16"), chosen=["precision"]).values["precision"] == ("fp16",)


def test_a_type_of_adapters_chooses_the_method():
    assert axes(options={"peft_type": "VERA"}).values["method"] == ("peft",)


def test_a_setting_given_once_and_to_be_varied_is_refused():
    with pytest.raises(RecipeError, match="once for all runs"):
        axes({"method": ("lora", "full")}, {"method": "lora"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("method", "lorra"), ("precision", "fp8"), ("quant_type", "int3"), ("gradient_checkpointing", "maybe")],
)
def test_a_value_that_does_not_exist_is_refused(name, value):
    with pytest.raises(RecipeError, match=value):
        axes({name: (value,)})


def test_nothing_to_compare_is_refused():
    with pytest.raises(RecipeError, match="no value"):
        axes({"optimizer": ()})


def test_the_code_of_a_quantized_base_is_varied_only_there():
    found = axes({"method": ("full", "qlora"), "quant_type": ("nf4", "fp4"), "precision": ("bf16",)})
    assert [(run["method"], run.get("quant_type")) for run in found.runs()] == [
        *(("full", None), ("qlora", "nf4"), ("qlora", "fp4"))
    ]


def test_codes_without_a_quantized_base_are_refused():
    with pytest.raises(RecipeError, match="none of the methods has a quantized base: full, lora"):
        axes({"method": ["full", "lora"], "quant_type": ["nf4", "int8"]})


def test_values_named_twice_count_once():
    assert axes({"precision": ("bf16", "fp32", "bf16")}).values["precision"] == ("bf16", "fp32")


@pytest.mark.parametrize(
    ("kind", "meant"),
    [("off", "non-reentrant"), ("reentrant", "reentrant"), ("non-reentrant", "non-reentrant")],
)
def test_checkpointing_that_is_on_is_of_the_bases_kind(kind, meant):
    found = axes({"gradient_checkpointing": ("on", "off")}, base=Recipe(gradient_checkpointing=kind))
    assert found.values["gradient_checkpointing"] == (meant, "off")


def test_an_option_counts_where_it_means_something():
    full = make_run(BASE, {"r": 64, "seq_len": 128}, {"method": "full", "precision": "bf16"})
    lora = make_run(BASE, {"r": 64, "seq_len": 128}, {"method": "lora", "precision": "bf16"})
    assert (full.seq_len, lora.r, lora.seq_len) == (128, 64, 128)


def test_an_option_that_means_nothing_anywhere_is_refused():
    runs = [{"method": "full", "precision": "bf16"}, {"method": "last-n", "precision": "bf16"}]
    with pytest.raises(RecipeError, match="means nothing"):
        check_meant(BASE, {"r": 64}, runs)
    check_meant(BASE, {"r": 64}, [*runs, {"method": "lora", "precision": "bf16"}])


def test_an_option_that_does_not_exist_is_refused():
    with pytest.raises(RecipeError, match="not a setting"):
        make_run(BASE, {"rnak": 64}, {"method": "lora", "precision": "bf16"})


def test_an_option_that_means_something_beside_another_one_is_kept():
    options = {"eval_batches": 4, "eval_keep_logits": True}
    recipe = make_run(Recipe(), options, {"method": "full", "optimizer": "sgd"})
    assert (recipe.eval_batches, recipe.eval_keep_logits) == (4, True)
