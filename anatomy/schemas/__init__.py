"""What `--json` answers look like: a JSON Schema (draft 2020-12) for each command, as files beside this one.

`python -m anatomy.schemas` writes them anew from the types of the answers (`build.py`).
"""

import json
from importlib.resources import files
from typing import Any

from anatomy.errors import AnatomyError

NAMES = (
    "show",
    "diff",
    "plan",
    "compare",
    "profile",
    "validate",
    "report",
    "models",
    "optimizers",
    "gpus",
    "env",
)
"""Answers with a schema: the commands', and 'diff' for `show --diff`."""


def published(name: str) -> dict[str, Any]:
    """The schema of an answer. Raises AnatomyError for a name that has none."""
    if name not in NAMES:
        raise AnatomyError(f"There is no schema {name!r}.", hint=f"the schemas: {', '.join(NAMES)}")
    found: dict[str, Any] = json.loads((files(__name__) / f"{name}.json").read_text(encoding="ascii"))
    return found
