"""A name that is none is refused with the names that were meant."""

import pytest

from anatomy.errors import RecipeError
from anatomy.training.optimizers.names import check_optimizer

KNOWN = ("adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "lion_8bit", "paged_adamw_8bit", "rmsprop")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("adam", "adamw_torch, adamw_torch_fused"),
        ("AdamW", "adamw_torch, adamw_torch_fused"),
        ("8bit", "lion_8bit, paged_adamw_8bit"),
        ("paged-adamw-8bit", "paged_adamw_8bit"),
        ("adafcator", "adafactor"),
    ],
)
def test_close_names(name, meant):
    with pytest.raises(RecipeError) as caught:
        check_optimizer(name, KNOWN)
    assert caught.value.hint.startswith(f"did you mean {meant}")


def test_nothing_close_lists_all():
    with pytest.raises(RecipeError) as caught:
        check_optimizer("zzz", KNOWN)
    assert caught.value.hint == f"known: {', '.join(KNOWN)}"
    check_optimizer("sgd", KNOWN)
