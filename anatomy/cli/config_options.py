"""--config and --config-kind: a trainer's own file as the recipe, and as a recipe of our own."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from anatomy.cli.options import MODEL_FLAGS, parse_overrides
from anatomy.planning.reading import Reading
from anatomy.planning.settings import complete, recipe_to_toml
from anatomy.trainers.read import read_config
from anatomy.training.recipe import Recipe


def config_from_flags(flags: Mapping[str, Any]) -> Reading | None:
    """The trainer's file that was named, read; None without one. Raises UsageError, SourceError, RecipeError."""
    file, kind = flags["config_file"], flags["config_kind"]
    if file is None and kind is not None:
        raise click.UsageError("--config-kind needs --config FILE.", ctx=click.get_current_context())
    if file is not None and flags["recipe_file"] is not None:
        raise click.UsageError(
            "--config and --recipe both give a whole recipe: --config reads either kind of file.",
            ctx=click.get_current_context(),
        )
    return None if file is None else read_config(file, kind)


def check_model(model: str | None, config: Reading | None) -> None:
    """Raises UsageError where neither the command line nor the file names a model."""
    if model is None and (config is None or config.model is None):
        raise click.UsageError("Which model? MODEL is missing.", ctx=click.get_current_context())


def of_the_run(
    flags: Mapping[str, Any], config: Reading | None, overrides: Sequence[str], progress: Any
) -> dict[str, Any]:
    """What `plan`, `profile` and `compare` of the library take alike, beside the recipe."""
    return {
        "config": config,
        "lengths": flags["lengths"],
        "overrides": parse_overrides(tuple(overrides)),
        "progress": progress,
        **{name: flags[name] for name in MODEL_FLAGS},
    }


def as_toml(recipe: Recipe, config: Reading | None, model: str | None) -> str:
    """The complete recipe as TOML; a comment says where it came from and what a recipe cannot say of it."""
    said = [] if config is None else [f"Read from {config.file} as {config.trainer}."]
    if config is not None:
        named = model or config.model
        said += [] if named is None else [f"MODEL is {named}."]
        said += [f"Not modelled: {text}" for text in config.not_modelled]
        said += [f"Assumed: {text}" for text in config.assumed]
    comment = "".join(f"# {' '.join(line.split())}\n" for line in said)
    return comment + recipe_to_toml(complete(recipe))
