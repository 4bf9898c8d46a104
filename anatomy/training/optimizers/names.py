"""The names that `TrainingArguments(optim=...)` takes, without the seconds that importing it takes."""

import ast
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from anatomy.errors import RecipeError
from anatomy.training.optimizers.kinds import OWN

SUGGESTED = 4
"""Names that a hint gives at most."""


def optimizer_names() -> tuple[str, ...] | None:
    """What `OptimizerNames` of the installed transformers lists, read in its source: importing it imports torch.

    None when it does not stand there; then only the rehearsal can tell.
    """
    found = find_spec("transformers")
    if found is None or found.origin is None:
        return None
    try:
        source = (Path(found.origin).parent / "training_args.py").read_text(encoding="utf-8")
        classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
        body = next(node.body for node in classes if node.name == "OptimizerNames")
        values = [ast.literal_eval(member.value) for member in body if isinstance(member, ast.Assign)]
    except (OSError, SyntaxError, ValueError, StopIteration):
        return None
    return tuple(value for value in values if isinstance(value, str)) or None


def known_names() -> tuple[str, ...] | None:
    """Every name that a recipe may have: transformers' and our own. None where transformers' cannot be told."""
    names = optimizer_names()
    return None if names is None else (*names, *OWN)


def check_optimizer(name: str, known: Sequence[str]) -> None:
    """Raises RecipeError, with close matches, for a name that is not among the `known` ones."""
    if name in known:
        return
    close = _close(name.strip().lower().replace("-", "_"), known)
    raise RecipeError(
        f"{name!r} is not an optimizer that is known.",
        hint=f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(known)}",
    )


def _close(name: str, known: Sequence[str]) -> list[str]:
    """Names that begin with it, else contain it, else are spelled like it."""
    begin = [other for other in known if name and other.startswith(name)]
    contain = [other for other in known if name and name in other]
    return (begin or contain or get_close_matches(name, known, n=SUGGESTED, cutoff=0.5))[:SUGGESTED]
