"""Many plans of one model: each is the one that `plan` gives, and only what is new is rehearsed."""

from typing import Any

import pytest

from anatomy import api
from anatomy.api.studio import KEPT_RUNS, Studio
from anatomy.errors import RecipeError
from anatomy.planning.settings import make_recipe
from anatomy.rehearsal import apart
from anatomy.rehearsal.rehearse import Rehearsing

RUNS: tuple[tuple[dict[str, Any], str | None], ...] = (
    ({"method": "lora"}, None),
    ({"method": "lora", "optimizer": "adamw_bnb_8bit"}, None),
    ({"method": "lora", "optimizer": "paged_adamw_8bit"}, None),
    ({"method": "lora"}, "A100 40GB PCIe"),
    ({"method": "lora"}, "Tesla T4"),
    ({"method": "full", "optimizer": "adafactor"}, None),
    ({"method": "full", "optimizer": "muon"}, None),
    ({"method": "full", "optimizer": "adamw_torch", "weight_decay": 0.1, "grad_accum": 5}, None),
    ({"method": "full", "precision": "fp16-mixed"}, None),
    ({"method": "full", "optimizer_in_backward": True}, None),
    ({"method": "qlora", "optimizer": "adamw_8bit", "r": 4}, "RTX 4090"),
)


@pytest.fixture
def rehearsed(monkeypatch):
    """What is really rehearsed, in order."""
    done: list[str] = []
    run, alone = Rehearsing.run, apart.RunApart.rehearse_optimizer
    monkeypatch.setattr(Rehearsing, "run", lambda self, steps: (done.append("run"), run(self, steps))[1])
    monkeypatch.setattr(
        apart.RunApart,
        "rehearse_optimizer",
        lambda self, recipe: (done.append(recipe.optimizer), alone(self, recipe))[1],
    )
    return done


def test_every_answer_is_that_of_a_plan(tiny_llama):
    studio = Studio(str(tiny_llama))
    for options, gpu in RUNS:
        given = {**options, "seq_len": 64}
        mine = studio.plan(make_recipe(given), chosen=given, gpu=gpu)
        alone = api.plan(str(tiny_llama), gpu=gpu, **given)
        assert mine.to_dict() == alone.to_dict(), options
        assert mine.replay.timeline == alone.replay.timeline, options
        assert mine.modules == alone.modules, options


def test_another_optimizer_rehearses_the_optimizer_alone(tiny_llama, rehearsed):
    studio = Studio(str(tiny_llama))
    for optimizer in ("adamw_torch", "sgd", "adamw_torch"):
        studio.plan(make_recipe({"optimizer": optimizer, "seq_len": 64}), chosen=("optimizer", "seq_len"))
    assert rehearsed == ["run", "adamw_torch", "sgd"]


def test_another_gpu_of_the_same_kernels_rehearses_nothing(tiny_llama, rehearsed):
    studio, recipe = Studio(str(tiny_llama)), make_recipe({"seq_len": 64})
    fits = [studio.plan(recipe, gpu=gpu).fits for gpu in (None, "A100 80GB SXM", "A100 40GB PCIe")]
    assert [len(fit) for fit in fits[1:]] == [1, 1]
    assert len(fits[0]) > 2
    assert rehearsed == ["run", recipe.optimizer]


def test_old_runs_are_let_go(tiny_llama, rehearsed):
    studio = Studio(str(tiny_llama))
    lengths = [16 * number for number in range(1, KEPT_RUNS + 2)]
    for length in (*lengths, lengths[0], lengths[-1]):
        studio.plan(make_recipe({"seq_len": length}), chosen=("seq_len",))
    assert rehearsed.count("run") == len(lengths) + 1


def test_a_setting_that_cannot_be_is_refused(tiny_llama):
    with pytest.raises(RecipeError, match="nothing_of_this_name"):
        Studio(str(tiny_llama)).plan(make_recipe({"target_modules": ("nothing_of_this_name",)}))
