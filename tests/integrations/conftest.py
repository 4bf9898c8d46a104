"""What the tests of the integrations share: tiny models in memory, and a real Trainer around them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "rehearsal"))


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., Any]:
    """Makes a Trainer of a recipe: (recipe, callbacks, model=None, **arguments)."""
    from live_runs import trainer_of

    return lambda recipe, callbacks, **more: trainer_of(tmp_path, recipe, callbacks, **more)
