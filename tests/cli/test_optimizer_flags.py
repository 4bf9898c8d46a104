"""The optimizer's own settings as flags: what is printed, and what is refused in a sentence."""

import tomllib

import pytest

from anatomy.cli import main
from anatomy.planning.settings import recipe_from_toml
from anatomy.training.recipe import Recipe


@pytest.fixture
def printed(capfd):
    """The recipe that `anatomy plan FLAGS --print-recipe` prints, or what it says instead."""

    def call(*flags):
        with pytest.raises(SystemExit) as done:
            main(["plan", *map(str, flags), "--print-recipe"])
        out, err = capfd.readouterr()
        return out if done.value.code == 0 else err

    return call


def test_settings_of_a_low_rank_optimizer(printed):
    flags = ("--optimizer", "galore_adamw", "--optim-args", "rank=64,scale=0.5", "--weight-decay", "0.1")
    text = printed(*flags, "--optim-target-modules", "q_proj,v_proj")
    recipe = recipe_from_toml(text)
    assert recipe == Recipe(
        optimizer="galore_adamw",
        optim_args="rank=64,scale=0.5",
        optim_target_modules=("q_proj", "v_proj"),
        weight_decay=0.1,
        alpha=32,
    )
    both = tomllib.loads(printed(*flags, "--optim-target-modules", "all-linear"))
    assert both["optim_target_modules"] == "all-linear"


def test_in_backward_is_a_switch(printed):
    assert tomllib.loads(printed("--optimizer-in-backward"))["optimizer_in_backward"] is True
    assert tomllib.loads(printed("--no-optimizer-in-backward"))["optimizer_in_backward"] is False


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--optim-args", "rank=8"), "optim_args means nothing for optimizer 'adamw_torch_fused'"),
        (("--optim-target-modules", "q_proj"), "optim_target_modules means nothing"),
        (("--optimizer", "sgd", "--optim-args", "momentum"), "is not 'key=value,key=value'"),
        (("--optimizer", "sgd", "--optim-args", "speed=1"), "reads no 'speed'"),
        (("--optimizer-in-backward", "--grad-accum", "2"), "none can be accumulated"),
        (("--optimizer-in-backward", "--optimizer", "muon"), "is made of two"),
        (("--weight-decay", "-1"), "must be at least 0"),
    ],
)
def test_what_means_nothing_is_refused(printed, flags, said):
    text = printed(*flags)
    assert said in text
    assert "hint:" in text


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--only", ","), "--only names nothing"),
        (("--set", "hidden_size=64"), "want a MODEL"),
        (("--only", "adam"), "'adam' is not an optimizer"),
    ],
)
def test_the_table_refuses_what_it_cannot_look_at(capfd, flags, said):
    with pytest.raises(SystemExit) as done:
        main(["optimizers", *flags])
    assert done.value.code == 2
    assert said in capfd.readouterr().err
