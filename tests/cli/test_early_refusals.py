"""What cannot run is refused before a model is read, let alone built."""

import pytest

from anatomy.api import planned, profiled
from anatomy.errors import RecipeError
from anatomy.planning.settings import make_recipe
from anatomy.training import available
from anatomy.training.optimizers.kinds import OPTIMIZERS
from anatomy.training.recipe import Recipe


@pytest.fixture(autouse=True)
def nothing_is_read(monkeypatch):
    def read(*args, **kwargs):
        raise AssertionError("the model was read")

    for module in (planned, profiled):
        monkeypatch.setattr(module, "trainable_description", read)
    monkeypatch.setattr(available, "installed", lambda packages: {})
    monkeypatch.setattr(available, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--loss", "trl"), "loss 'trl' needs trl, which is not installed."),
        (("--loss", "cut"), "needs cut-cross-entropy"),
        (("--loss", "liger"), "loss 'liger' needs liger-kernel"),
        (("--liger-kernels",), "liger_kernels needs liger-kernel"),
        (("--optimizer", "lomo"), "optimizer 'lomo' needs lomo-optim"),
        (("--optimizer", "adamw_torch_xla"), "runs on XLA devices only"),
        (("--method", "qlora"), "needs bitsandbytes"),
        (("--peft-type", "XLORA"), "XLORA cannot be rehearsed"),
        (("--peft-type", "ADAMSS"), "ADAMSS needs scikit-learn"),
        (("--padding-free", "--padded"), "padding_free and padded contradict each other"),
        (("--attn", "flash_attention_2", "--precision", "fp32"), "does not run in fp32"),
        (("--loss", "cut", "--precision", "fp32"), "16-bit hidden states"),
        (("--optimizer-in-backward", "--max-grad-norm", "1"), "leaves no gradients to clip"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "profile"])
def test_a_sentence_before_any_work(run, command, flags, words):
    code, out, err = run(command, "some/model", "--no-progress", *flags)
    assert (code, out) == (2, "")
    assert words in " ".join(err.split())
    assert "hint:" in err


def test_everything_that_is_missing_is_said_at_once(run):
    _, _, err = run("plan", "some/model", "--no-progress", "--loss", "trl", "--optimizer", "lomo")
    assert "loss 'trl' needs trl" in err
    assert "optimizer 'lomo' needs lomo-optim" in err


def test_a_projecting_optimizer_needs_modules(monkeypatch):
    monkeypatch.setattr(available, "installed", lambda packages: dict.fromkeys(packages, "1"))
    name = next(name for name, kind in OPTIMIZERS.items() if kind.low_rank and not kind.refused)
    with pytest.raises(RecipeError, match="optim_target_modules"):
        available.check_available(Recipe(optimizer=name), ())
    available.check_available(Recipe(optimizer=name, optim_target_modules="all-linear"), ())


def test_clipping_that_nobody_chose_gives_way():
    available.check_available(Recipe(optimizer_in_backward=True), ())
    with pytest.raises(RecipeError, match="no gradients to clip"):
        available.check_available(Recipe(optimizer_in_backward=True), ("max_grad_norm",))


def test_without_padding_a_padded_batch_is_none_any_more():
    base = Recipe(padded=True, batch_size=4)
    assert make_recipe({"padding_free": True}, base).padded is False
    with pytest.raises(RecipeError, match="contradict"):
        make_recipe({"padding_free": True, "padded": True}, base)
