"""The pages of the reference: each is a function that writes it from the code."""

from collections.abc import Callable, Mapping

from generator import answers, commands, library, surroundings, training

PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "recipe.md": training.recipe,
    "methods.md": training.methods,
    "optimizers.md": training.optimizers,
    "losses.md": training.losses,
    "gpus.md": surroundings.gpus,
    "files.md": surroundings.files,
    "environment.md": surroundings.environment,
    "json.md": answers.page,
    "library.md": library.page,
}
"""File -> what writes it."""
