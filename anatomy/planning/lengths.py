"""The lengths of a dataset's examples, and the longest batch that they can make."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil
from numbers import Integral

from anatomy.errors import RecipeError
from anatomy.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """Tokens of every example, after its template and before any cutting."""

    tokens: tuple[int, ...]
    """The longest first."""
    source: str
    """Where they come from, as the answer names it."""

    @classmethod
    def of(cls, tokens: Iterable[int], source: str) -> "Lengths":
        """Raises RecipeError for none at all, or for one that is no positive number."""
        given = tuple(tokens)
        if wrong := [one for one in given if not isinstance(one, Integral)]:
            raise RecipeError(f"{source} hold {wrong[0]!r}.", hint="every length is an integer of tokens")
        found = tuple(sorted(map(int, given), reverse=True))
        if not found:
            raise RecipeError(
                f"{source} holds no lengths.", hint="one number of tokens a line, one line an example"
            )
        if found[-1] < 1:
            raise RecipeError(
                f"{source} has a length of {found[-1]}.", hint="every example has at least one token"
            )
        return cls(tokens=found, source=source)

    def quantile(self, share: float) -> int:
        """The length that `share` of the examples do not exceed (nearest rank)."""
        return self.tokens[len(self.tokens) - max(1, ceil(share * len(self.tokens)))]


def parse_lengths(text: str, source: str) -> Lengths:
    """One number a line; empty lines and what follows a # are left out. Raises RecipeError."""
    numbers: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        if not word.isascii() or not word.isdigit() or len(word) > _DIGITS:
            raise RecipeError(
                f"Line {number} of {source} is {word[:40]!r}, which is no number of tokens.",
                hint="one number a line, one line an example",
            )
        numbers.append(int(word))
    return Lengths.of(numbers, source)


_DIGITS = 12
"""Of a number of tokens at most."""


def longest_batch(lengths: Lengths, recipe: Recipe, cap: int | None) -> tuple[Recipe, str]:
    """The recipe with the longest micro-batch that the examples can make, none cut to more than `cap`; and a sentence.

    A batch is as long as its longest example, to which the others are padded; without padding it is the sum of its
    examples, of which each then counts with their mean. Raises RecipeError for fewer examples than a batch has.
    """
    if len(lengths.tokens) < recipe.batch_size:
        raise RecipeError(
            f"{lengths.source} has {len(lengths.tokens):,} lengths, fewer than a micro-batch of {recipe.batch_size:,}.",
            hint=f"use --batch-size {len(lengths.tokens)} or less",
        )
    cut = [tokens if cap is None else min(tokens, cap) for tokens in lengths.tokens]
    largest = cut[: recipe.batch_size]
    row = sum(largest)
    per_sequence = ceil(row / len(largest)) if recipe.padding_free else cut[0]
    uneven = recipe.batch_size > 1 and cut[-1] < cut[0] and not recipe.padding_free
    return replace(recipe, seq_len=per_sequence, padded=recipe.padded or uneven), _said(
        lengths, recipe, cap, row
    )


def _said(lengths: Lengths, recipe: Recipe, cap: int | None, row: int) -> str:
    count = len(lengths.tokens)
    over = sum(tokens > cap for tokens in lengths.tokens) if cap is not None else 0
    which = f"the {recipe.batch_size:,} longest" if recipe.padding_free else "the longest"
    parts = [f"the batch is {which} of the {count:,} lengths in {lengths.source}"]
    if recipe.padding_free and recipe.batch_size > 1:
        parts.append(f"they are {row:,} tokens in one row, planned as {recipe.batch_size:,} of their mean")
    parts.append(
        f"median {lengths.quantile(0.5):,}, 95 % at most {lengths.quantile(0.95):,}, longest {lengths.tokens[0]:,}"
    )
    if cap is not None:
        parts.append(
            f"seq_len cuts {over:,} of them to {cap:,}" if over else f"none is longer than seq_len {cap:,}"
        )
    return "; ".join(parts)
