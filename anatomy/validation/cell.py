"""Cell: one run of a grid, and its written form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anatomy.errors import SourceError
from anatomy.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One model under one recipe."""

    name: str
    """Names the files of its results; unique in the grid."""
    model: str
    """A catalog id, a hub id or a folder; with `config`, the grid's name for it."""
    config: Mapping[str, Any] | None = None
    """The model's config, where the grid holds it."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the config that are set otherwise, e.g. {'num_hidden_layers': 4}."""
    family: str
    """What it is grouped under in the tables."""
    recipe: Recipe
    chosen: tuple[str, ...] = ()
    """Settings that the grid states; the others are defaults, and give way to what the model can run."""
    hold_out: bool = False
    """Whether it only tests: no residual of it was ever looked at to improve the prediction."""
    quick: bool = False
    """Whether it is small enough for the tests that run on every change."""
    profile: Mapping[str, Any] = field(default_factory=dict)
    """How it is measured: keyword arguments of `api.profile` (steps, warmup, passes)."""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form, complete: what a record keeps to say what it is a record of."""
        return {
            "name": self.name,
            "model": self.model,
            "config": None if self.config is None else dict(self.config),
            "overrides": dict(self.overrides),
            "family": self.family,
            "recipe": self.recipe.to_dict(),
            "chosen": list(self.chosen),
            "hold_out": self.hold_out,
            "quick": self.quick,
            "profile": dict(self.profile),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Cell":
        """Read back what `to_dict` wrote. Raises SourceError for anything else."""
        try:
            return cls(
                **{**data, "recipe": Recipe.from_dict(data["recipe"]), "chosen": tuple(data["chosen"])}
            )
        except (KeyError, TypeError) as error:
            raise SourceError(
                f"This is not a cell of a grid: {error}.",
                hint="`anatomy validate` writes records that say theirs",
            ) from error

    @property
    def labels(self) -> dict[str, str]:
        """What its record says of it."""
        return {
            "cell": self.name,
            "family": self.family,
            "hold_out": "yes" if self.hold_out else "no",
            DEFINITION: json.dumps(self.to_dict(), sort_keys=True),
        }


DEFINITION = "definition"
"""The label under which a record keeps the whole cell."""


def cell_of(labels: Mapping[str, str]) -> Cell:
    """The cell that a record was made of. Raises SourceError for a record of no cell."""
    if DEFINITION not in labels:
        raise SourceError(
            "This run does not say which cell of a grid it is.",
            hint="`anatomy profile --open FILE` shows single runs",
        )
    return Cell.from_dict(json.loads(labels[DEFINITION]))
