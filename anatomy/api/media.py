"""Images and sound of a run whose recipe does not say how many: one a sequence, where the model takes them."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from anatomy.blueprint import Origin
from anatomy.errors import RecipeError
from anatomy.training.recipe import Recipe

Settled = tuple[Recipe, dict[str, str], tuple[str, ...]]
"""The recipe; settings that nobody chose -> why they have the value they have; warnings."""


def settle_media(model: Any, origin: Origin, recipe: Recipe, chosen: Collection[str]) -> Settled:
    """The recipe with its number of images settled, and a sequence that is long enough for them.

    Raises RecipeError where images were asked for and the model takes none, or they cannot be made.
    """
    from anatomy.source.beside import read_preprocessor
    from anatomy.training.inputs.media import media_of, medium_of, needs_media
    from anatomy.training.inputs.processors import PREPROCESSOR
    from anatomy.training.inputs.tokens import reads_text

    named = sorted({"images", "image_size", "audio_seconds"} & set(chosen))
    if medium_of(model) is None:
        if any(getattr(recipe, name) for name in named):
            raise RecipeError(
                f"{type(model).__name__} takes neither images nor sound, so {named[0]} means nothing.",
                hint=f"leave {named[0]} out",
            )
        return recipe, {}, ()
    if recipe.images == 0:
        return recipe, {}, ()
    setattr(model, PREPROCESSOR, read_preprocessor(origin))
    try:
        media = media_of(model, recipe)
    except RecipeError as error:
        if named or not reads_text(model) or needs_media(model):
            raise
        return replace(recipe, images=0), {}, (f"planned with text alone: {error.message}",)
    if recipe.images is not None or not reads_text(model):
        return recipe, {}, ()
    if media is not None and media.along and "seq_len" not in chosen:
        said = {"seq_len": f"the sound goes along with {media.along:,} tokens"}
        return replace(recipe, seq_len=media.along), said, ()
    settled, why = replace(recipe, images=1), {"images": "the model takes them, and nothing says how many"}
    if media is not None and media.tokens >= recipe.seq_len and "seq_len" not in chosen:
        longer = -(-(media.tokens + MOST_TEXT) // MOST_TEXT) * MOST_TEXT
        settled = replace(settled, seq_len=longer)
        why["seq_len"] = f"one image takes {media.tokens:,} tokens"
    return settled, why, ()


def know_preprocessor(model: Any, origin: Origin) -> None:
    """Give a model that does not run on text alone its checkpoint's settings of pictures or of sound."""
    from anatomy.source.beside import read_preprocessor
    from anatomy.training.inputs.media import medium_of, needs_media
    from anatomy.training.inputs.processors import PREPROCESSOR
    from anatomy.training.inputs.tokens import reads_text

    if medium_of(model) is not None and (needs_media(model) or not reads_text(model)):
        setattr(model, PREPROCESSOR, read_preprocessor(origin))


MOST_TEXT = 512
"""Tokens of text that are left beside an image, at least, in a sequence that nobody chose the length of."""
