import gc
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _no_garbage() -> None:
    """Models of earlier tests are cyclic garbage: collected while a test measures, they would count as freed."""
    gc.collect()
    return
