"""A file of settings -> a Reading."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from anatomy.errors import RecipeError
from anatomy.planning.reading import Key, Reading
from anatomy.planning.settings import recipe_from_data
from anatomy.trainers.apply import Application
from anatomy.trainers.kinds import KINDS, OWN, TRAINERS, detect
from anatomy.trainers.parse import read_settings
from anatomy.training.recipe import Recipe


def read_config(file: str, kind: str | None = None) -> Reading:
    """What the settings in `file` make of a run: axolotl's, LLaMA-Factory's, TRL's or transformers' arguments,
    accelerate's config, or a recipe of our own; YAML, JSON or TOML.

    `kind`: whose file it is, one of `KINDS`; told by its keys when left out. Nothing is imported or run of a trainer.
    Raises SourceError (a file that cannot be read), RecipeError (not recognised, or impossible values).
    """
    if kind is not None and kind not in KINDS:
        raise RecipeError(f"{kind!r} is not a kind of config.", hint=f"known: {', '.join(KINDS)}")
    data = read_settings(str(file))
    kind = kind or detect(data, str(file))
    try:
        if kind == OWN:
            return _own(str(file), data)
        return Application(TRAINERS[kind], data).reading(str(file))
    except RecipeError as error:
        raise RecipeError(f"{file}: {error.message}", hint=error.hint) from None


def _own(file: str, data: Mapping[str, Any]) -> Reading:
    recipe = recipe_from_data(data)
    given = {f.name: getattr(recipe, f.name) for f in fields(Recipe) if f.name in data}
    return Reading(
        file=file,
        kind=OWN,
        trainer="a recipe of anatomy",
        name=OWN,
        keys=tuple(
            Key(name=name, value=data[name], fate="used", settings={name: value})
            for name, value in given.items()
        ),
        given=given,
    )
