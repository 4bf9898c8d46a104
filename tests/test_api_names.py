"""The library's verbs come one by one: asking for one does not import the others."""

import subprocess
import sys
from pkgutil import iter_modules

import pytest

from anatomy import api


@pytest.mark.parametrize("name", api.__all__)
def test_every_name_is_found(name: str) -> None:
    assert getattr(api, name) is not None


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'plann'"):
        api.plann  # noqa: B018


def test_one_verb_leaves_the_others_alone() -> None:
    script = "import sys; from anatomy import api; api.show; print([m for m in sys.modules if m.startswith('anatomy.api.')])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "['anatomy.api.description']"


def test_no_module_is_called_as_a_verb_is() -> None:
    """Importing `anatomy.api.plan` would put the module where the verb is looked for."""
    assert not {module.name for module in iter_modules(api.__path__)} & set(api.__all__)
