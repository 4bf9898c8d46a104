"""What this machine can measure."""

import pytest

from anatomy.errors import RecipeError
from anatomy.profiling import machine


def test_an_attention_without_its_kernel_is_refused_before_anything_is_built(monkeypatch):
    with pytest.raises(RecipeError, match="no GPU"):
        machine.check_attention("flash_attention_2", "cpu")
    monkeypatch.setattr(machine, "installed", lambda packages: {})
    with pytest.raises(RecipeError, match="no such package"):
        machine.check_attention("flash_attention_2", "cuda")
    monkeypatch.setattr(machine, "installed", lambda packages: dict.fromkeys(packages, "2.8.3"))
    machine.check_attention("flash_attention_2", "cuda")
    machine.check_attention("sdpa", "cpu")
