"""A trainer's file as part of what was asked: its recipe, its model, what has to be said of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

from anatomy.api.description import Reference, spelled
from anatomy.api.lengths import Given, with_lengths
from anatomy.api.staged import asked_recipe
from anatomy.blueprint import Blueprint
from anatomy.errors import RecipeError
from anatomy.planning.reading import Reading
from anatomy.source.overrides import check_overrides
from anatomy.trainers import read
from anatomy.training.available import check_available
from anatomy.training.recipe import Recipe

Config = Reading | str | PathLike[str]
"""A file that was read, or its path."""


def read_config(file: str | PathLike[str], kind: str | None = None) -> Reading:
    """What a trainer's file makes of a run: axolotl's, LLaMA-Factory's, TRL's or transformers' arguments, accelerate's
    config, or a recipe of our own, as YAML, JSON or TOML.

    `kind`: whose file it is (`anatomy.trainers.kinds.KINDS`); told by its keys when left out.
    Raises SourceError (a file that cannot be read), RecipeError (not recognised, or with impossible values).
    """
    return read.read_config(str(file), kind)


def _stored(blueprint: Blueprint) -> str | None:
    """torch's name of the dtype that a config gives its checkpoint."""
    config = blueprint.config or {}
    said = config.get("dtype") or config.get("torch_dtype")
    return None if said is None else str(said).removeprefix("torch.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A run as it was asked for, with a file or without."""

    reference: str
    """Which model."""
    revision: str | None
    overrides: Mapping[str, Any]
    recipe: Recipe | None
    chosen: Collection[str] | None
    config: Reading | None
    said: tuple[str, ...] = ()
    """What a dataset's lengths made of it."""

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the file leaves open and its recipe had to settle, and what the lengths made of it."""
        return (*(() if self.config is None else self.config.assumed), *self.said)

    @property
    def not_modelled(self) -> tuple[str, ...]:
        """What the file's trainer would do and the plan does not."""
        return () if self.config is None else self.config.not_modelled

    def warnings(self, blueprint: Blueprint, recipe: Recipe) -> tuple[str, ...]:
        """What to look at: keys that are not understood or not modelled, weights stored in another dtype."""
        if self.config is None:
            return ()
        found = self.config.warnings
        named = self.config.model
        if named is not None and named != self.reference:
            found += (f"{self.config.file} names the model {named}; planned is {self.reference}",)
        stored = _stored(blueprint)
        if self.config.as_stored and stored not in (None, recipe.weight_dtype):
            found += (
                f"the checkpoint is stored in {stored}, and {self.config.kind} loads it so: "
                f"planned in {recipe.weight_dtype}",
            )
        return found


def settled(run: Asked, options: Mapping[str, Any], lengths: Given | None) -> tuple[Asked, Recipe, set[str]]:
    """The run with its whole recipe: `options` on top of the file's, the batch that `lengths` make; what was chosen.

    Raises RecipeError, SourceError.
    """
    recipe, chosen = asked_recipe(run.recipe, options, run.chosen)
    if run.config is not None:
        run.config.check_chosen(chosen)
    check_available(recipe, chosen)
    recipe, chosen, said = with_lengths(recipe, chosen, lengths)
    return replace(run, said=said), recipe, chosen


def asked(
    reference: Reference | None,
    config: Config | None,
    *,
    recipe: Recipe | None,
    chosen: Collection[str] | None,
    revision: str | None,
    overrides: Mapping[str, Any] | None,
) -> Asked:
    """What the arguments and the file say together: an argument wins over the file. Raises RecipeError, SourceError."""
    found = config if isinstance(config, Reading) or config is None else read_config(config)
    if recipe is not None and not isinstance(recipe, Recipe):
        raise RecipeError(
            f"recipe is {recipe!r}, which is no anatomy.Recipe.",
            hint="config='FILE' reads a recipe's file; single settings are keywords: method='lora', r=16",
        )
    check_overrides(overrides or {})
    named = spelled(reference) if reference is not None else found and found.model
    if not named:
        where = "" if found is None else f": {found.file} names none"
        raise RecipeError(
            f"No model is named{where}.", hint="name a model hub's id, a folder or a config.json"
        )
    if found is not None and recipe is None:
        recipe, chosen = found.recipe, (*found.given, *(chosen or ()))
    same_model = found is not None and found.model == named
    return Asked(
        reference=named,
        revision=revision or (found.revision if found is not None and same_model else None),
        overrides={**(found.overrides if found is not None and same_model else {}), **(overrides or {})},
        recipe=recipe,
        chosen=chosen,
        config=found,
    )
