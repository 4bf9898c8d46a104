"""Whether an optimizer's name is one that the Trainer takes, said before anything heavy is imported."""

from collections.abc import Sequence
from difflib import get_close_matches

from anatomy.errors import RecipeError

SUGGESTED = 4
"""Names that a hint gives at most."""


def check_optimizer(name: str, known: Sequence[str]) -> None:
    """Raises RecipeError, with close matches, for a name that is not among the `known` ones."""
    if name in known:
        return
    close = _close(name.strip().lower().replace("-", "_"), known)
    raise RecipeError(
        f"{name!r} is not an optimizer that transformers knows.",
        hint=f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(known)}",
    )


def _close(name: str, known: Sequence[str]) -> list[str]:
    """Names that begin with it, else contain it, else are spelled like it."""
    begin = [other for other in known if name and other.startswith(name)]
    contain = [other for other in known if name and name in other]
    return (begin or contain or get_close_matches(name, known, n=SUGGESTED, cutoff=0.5))[:SUGGESTED]
