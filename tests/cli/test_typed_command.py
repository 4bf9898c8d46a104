"""A run written as a command line is read by the command line as the same run."""

import shlex
from typing import Any, get_args

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.cli.options import model_options
from anatomy.cli.recipe_options import recipe_from_flags, recipe_options
from anatomy.errors import RecipeError
from anatomy.planning.command import as_typed, plan_arguments
from anatomy.planning.settings import make_recipe, settings_in_use
from anatomy.source.overrides import parse_override
from anatomy.training.choices import CHOICES, Precision
from anatomy.training.recipe import Recipe

NAMES = st.lists(
    st.sampled_from(["q_proj", "v_proj", "layers.3.mlp.up_proj", "c_attn"]), min_size=1, unique=True
)
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    **{name: st.sampled_from([value for value in values if value is not None]) for name, values in CHOICES.items()},
    **{name: st.integers(1, 4096) for name in ("r", "alpha", "batch_size", "seq_len", "grad_accum", "last_n", "bottleneck")},
    **{name: st.booleans() for name in ("double_quant", "padded", "padding_free", "liger_kernels", "train_head")},
    "dropout": st.floats(0, 0.5),
    "max_grad_norm": st.floats(0, 10),
    "optimizer": st.sampled_from(["adamw_torch", "paged_adamw_8bit", "adafactor", "galore_adamw"]),
    "optim_target_modules": st.one_of(st.just("all-linear"), NAMES.map(tuple)),
    "target_modules": st.one_of(st.sampled_from(["all-linear", "peft-default", r".*\.(q|v)_proj"]), NAMES.map(tuple)),
    "quant_skip": NAMES.map(tuple),
    "image_size": st.tuples(st.integers(1, 999), st.integers(1, 999)),
    "peft_type": st.sampled_from(["VERA", "LOHA", "OFT"]),
    "peft": st.just({"use_rslora": True}),
    "eval_batches": st.integers(0, 5),
    "eval_keep_logits": st.booleans(),
}  # fmt: skip


def read(line: str) -> tuple[Recipe, frozenset[str], dict[str, Any]]:
    """What `anatomy plan` makes of its arguments."""
    found: list[Any] = []

    @click.command()
    @click.argument("model")
    @click.option("--gpu")
    @recipe_options
    @model_options
    def command(**flags: Any) -> None:
        found.append((*recipe_from_flags(flags), flags))

    anatomy, plan, *arguments = shlex.split(line)
    assert (anatomy, plan) == ("anatomy", "plan")
    command.main(arguments, standalone_mode=False)
    recipe, chosen, flags = found[0]
    return recipe, chosen, flags


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_run_reads_back(data):
    recipe, chosen = Recipe(), set[str]()
    for name in data.draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=8)):
        try:
            recipe = make_recipe({name: data.draw(CHANGES[name])}, recipe)
            chosen.add(name)
        except RecipeError:
            continue
    try:
        back, said, _ = read(as_typed(plan_arguments("org/name", recipe, chosen)))
    except RecipeError:  # what becomes impossible by what was chosen later is refused by both
        with pytest.raises(RecipeError):
            make_recipe({name: getattr(recipe, name) for name in chosen & settings_in_use(recipe).keys()})
        return
    assert settings_in_use(back) == settings_in_use(recipe)
    assert said >= {name for name in chosen if settings_in_use(recipe).get(name) is not None}


def test_what_is_beside_the_recipe():
    line = as_typed(
        plan_arguments(
            "./my model",
            Recipe(),
            (),
            gpu="RTX 3060 12GB",
            overrides={"num_hidden_layers": 4, "text_config.hidden_act": "gelu", "name": "4"},
            revision="main",
        )
    )
    assert line == (
        "anatomy plan './my model' --revision main --set num_hidden_layers=4 "
        "--set text_config.hidden_act=gelu --set 'name=\"4\"' --gpu 'RTX 3060 12GB'"
    )
    flags = read(line)[2]
    assert dict(map(parse_override, flags["overrides"])) == {
        "num_hidden_layers": 4,
        "text_config.hidden_act": "gelu",
        "name": "4",
    }


def test_what_was_not_chosen_is_left_out():
    assert plan_arguments("m", make_recipe({"method": "full"}), {"method", "r"})[3:] == ("--method", "full")


@pytest.mark.parametrize("precision", get_args(Precision))
def test_precisions(precision):
    assert read(f"anatomy plan m --precision {precision}")[0].precision == precision


@pytest.mark.parametrize(
    ("settings_", "why"),
    [
        ({"optimizer": "galore_adamw", "optim_target_modules": ".*attn.*"}, "regular expression"),
        ({"target_modules": ("a,b",)}, "No flag can say"),
    ],
)
def test_what_no_flag_can_say(settings_, why):
    with pytest.raises(RecipeError, match=why):
        plan_arguments("m", make_recipe(settings_), settings_)
