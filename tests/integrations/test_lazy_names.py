"""Naming the package imports nothing heavy; the integrations come when they are asked for."""

import subprocess
import sys

import pytest

import anatomy
import anatomy.integrations


@pytest.mark.parametrize("module", ["anatomy", "anatomy.integrations"])
def test_import_alone_is_light(module: str) -> None:
    script = f"import sys, {module}; print(sorted({{'torch', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_names_are_found_and_others_are_not() -> None:
    assert anatomy.watch is anatomy.integrations.watch
    for module in (anatomy, anatomy.integrations):
        with pytest.raises(AttributeError, match="has no attribute 'wach'"):
            module.wach  # noqa: B018
