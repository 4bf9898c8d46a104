"""A dataset's lengths as part of what was asked: a file of them, or the numbers themselves."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from anatomy.errors import SourceError
from anatomy.planning.lengths import Lengths, longest_batch, parse_lengths
from anatomy.training.recipe import Recipe

Given = str | PathLike[str] | Iterable[int]
"""A text file with one number a line, or numbers."""


def with_lengths(
    recipe: Recipe, chosen: set[str], given: Given | None
) -> tuple[Recipe, set[str], tuple[str, ...]]:
    """The recipe of the longest batch that a dataset can make, the settings that are then chosen, and what to say.

    A `seq_len` that was chosen caps the lengths. Raises SourceError for a file that cannot be read, RecipeError for
    what are no lengths.
    """
    if given is None:
        return recipe, chosen, ()
    found = (
        _read(given)
        if isinstance(given, str | PathLike)
        else Lengths.of(given, "the lengths that were given")
    )
    cap = recipe.seq_len if "seq_len" in chosen else None
    longest, said = longest_batch(found, recipe, cap)
    return longest, chosen | {"seq_len", "padded"}, (said,)


def batch_of(
    given: Given | None, base: Recipe, options: Mapping[str, Any], chosen: Collection[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings that lengths make of a batch (`base` with `options`) for whatever method, and what to say."""
    if given is None:
        return {}, ()
    batch = replace(base, **{name: options[name] for name in _BATCH if name in options})
    recipe, _, said = with_lengths(batch, {*chosen, *options}, given)
    return {"seq_len": recipe.seq_len, "padded": recipe.padded}, said


_BATCH = ("batch_size", "seq_len", "padded", "padding_free")


def _read(file: str | PathLike[str]) -> Lengths:
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SourceError(
            f"The lengths {file} cannot be read: {reason}.",
            hint="a text file with one number of tokens a line",
        ) from error
    return parse_lengths(text, str(file))
