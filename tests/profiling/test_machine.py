"""What this machine can measure."""

import pytest

from anatomy.errors import RecipeError
from anatomy.profiling import machine
from anatomy.training.recipe import Recipe

FLASH = Recipe(attn="flash_attention_2")


def test_what_this_machine_lacks_is_refused_before_anything_is_built(monkeypatch):
    with pytest.raises(RecipeError, match="moves activations"):
        machine.check_runnable(Recipe(checkpoint_offload=True), "cpu")
    with pytest.raises(RecipeError, match="no GPU"):
        machine.check_runnable(FLASH, "cpu")
    monkeypatch.setattr(machine, "installed", lambda packages: {})
    with pytest.raises(RecipeError, match="no such package"):
        machine.check_runnable(FLASH, "cuda")
    monkeypatch.setattr(machine, "installed", lambda packages: dict.fromkeys(packages, "2.8.3"))
    machine.check_runnable(FLASH, "cuda")
    machine.check_runnable(Recipe(), "cpu")
