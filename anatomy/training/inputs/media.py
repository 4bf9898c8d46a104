"""The pictures or the sound of one sequence, and the tokens that stand for them in its text.

How many tokens a picture takes is the model's to say: its own `get_image_features` is run on meta, aside, and the rows
that it returns are counted.
"""

import inspect
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from anatomy.errors import AnatomyError, RecipeError
from anatomy.training.inputs.beside import POSITIONS, PROMPT, prompt
from anatomy.training.inputs.patches import cut_patches, cuts_patches
from anatomy.training.inputs.processors import (
    STATED,
    config_side,
    first_line,
    image_processor,
    picture_size,
    whose_limits,
)
from anatomy.training.inputs.sounds import sound
from anatomy.training.inputs.tokens import reads_text
from anatomy.training.recipe import Recipe

MEDIA = "anatomy_media"
"""Attribute of a model in which its media are kept once they were made: the model's answer does not change."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Media:
    """What comes beside the text of one sequence."""

    tensors: Mapping[str, Any]
    """CPU tensors by the name of the model's input, of one sequence."""
    tokens: int
    """Tokens of the sequence that stand for them; 0 where the model takes them in another way."""
    token_id: int | None
    """The id of such a token."""
    along: int
    """Tokens of the sequence to which the embeddings of a sound are added, one to one; 0 where none are."""
    words: str
    """What they are, as shown to the user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Medium:
    """A kind of input beside text, and how models name it."""

    inputs: tuple[str, ...]
    """The names that a model's forward may have for it."""
    features: str
    """The model's method that turns it into embeddings."""
    token: tuple[str, ...]
    """The config's names for the token that stands for it."""
    added: bool
    """Whether a model without such a token adds the embeddings to those of its text."""
    make: Callable[[Any, Recipe], tuple[Mapping[str, Any], str]]
    """The model and the recipe -> what the processor makes for one sequence, and what it is in words."""


def _pictures(model: Any, recipe: Recipe) -> tuple[Mapping[str, Any], str]:
    try:
        processor = image_processor(model)
    except RecipeError:
        if reads_text(model) and not (model.config.is_encoder_decoder and _reads_pixels_alone(model)):
            raise
        return _pixels(model, recipe)
    height, width, why = picture_size(model, processor)
    if recipe.image_size is not None:
        (height, width), why = recipe.image_size, "as asked"
    limits = whose_limits(model, processor) if why != STATED else ""
    count = recipe.images or 1
    pictures = [_picture(height, width)] * count
    many = "one image" if count == 1 else f"{count:,} images"
    made = (
        cut_patches(processor, pictures)
        if cuts_patches(processor)
        else processor(pictures, return_tensors="pt")
    )
    made = made if isinstance(made, Mapping) else {"pixel_values": made}
    return made, f"{many} of {height:,} x {width:,} pixels a sequence ({why}{limits})"


def _reads_pixels_alone(model: Any) -> bool:
    """Whether an encoder of pictures writes the text that the model is trained on, so that no token stands for them."""
    first = next(iter(inspect.signature(model.forward).parameters))
    return first == "pixel_values" and _token_id(model.config, MEDIUMS[0]) is None


def _pixels(model: Any, recipe: Recipe) -> tuple[Mapping[str, Any], str]:
    """Pixels alone, without a processor: what a classifier of pictures takes, whose class has none or cannot run it."""
    import torch

    stated = config_side(model)
    height, width = recipe.image_size or stated or (USUAL_SIDE, USUAL_SIDE)
    why = (
        "as asked"
        if recipe.image_size
        else "the config's own size"
        if stated
        else "a size that nothing states"
    )
    shape = (recipe.images or 1, getattr(model.config, "num_channels", 3), height, width)
    words = f"one image of {height:,} x {width:,} pixels a sequence ({why}), not from its processor"
    return {"pixel_values": torch.zeros(shape)}, words


def _picture(height: int, width: int) -> Any:
    """uint8 [height, width, 3] in which no part is of one colour: some models leave out tiles that are."""
    import numpy as np

    rows, columns, colours = np.ogrid[:height, :width, :3]
    return ((rows * 7 + columns * 13 + colours * 5) % 251).astype(np.uint8)


USUAL_SIDE = 224
"""Pixels of a side of ImageNet's pictures, on which classifiers are trained."""

MEDIUMS: tuple[Medium, ...] = (
    Medium(
        inputs=("pixel_values", "pixel_values_images", "flattened_patches"),
        features="get_image_features",
        token=("image_token_id", "image_token_index"),
        added=False,
        make=_pictures,
    ),
    Medium(
        inputs=("input_features", "input_values"),
        features="get_audio_features",
        token=("audio_token_id", "audio_token_index"),
        added=True,
        make=sound,
    ),
)


_RENAMED = {"attention_mask": ("input_features_mask", "feature_attention_mask")}
"""What an extractor calls it -> what the Processor around it hands to models that know the name."""
_OF_TEXT = frozenset({"input_ids", "attention_mask", "labels"})
"""Inputs whose names mean the text's where there is text."""


def _called(name: str, wanted: Set[str]) -> str:
    """What the model calls what the extractor calls `name`."""
    return next((other for other in _RENAMED.get(name, ()) if other in wanted), name)


def medium_of(model: Any) -> Medium | None:
    """What the model takes beside text; None for a model of text alone."""
    accepted = inspect.signature(model.forward).parameters
    return next((medium for medium in MEDIUMS if any(name in accepted for name in medium.inputs)), None)


def media_of(model: Any, recipe: Recipe) -> Media | None:
    """The media of one sequence of the recipe; None for none. Raises RecipeError where they cannot be made."""
    medium = medium_of(model)
    if medium is None or recipe.images == 0:
        return None
    asked = (recipe.images or 1, recipe.image_size, recipe.audio_seconds)
    kept = getattr(model, MEDIA, None)
    if kept is None or kept[0] != asked:
        kept = (asked, _made(model, medium, recipe))
        setattr(model, MEDIA, kept)
    media: Media = kept[1]
    return media


def keep_media(known: Any, model: Any) -> None:
    """What one model's media are, another one of the same description needs not find out."""
    if (kept := getattr(known, MEDIA, None)) is not None:
        setattr(model, MEDIA, kept)


def _made(model: Any, medium: Medium, recipe: Recipe) -> Media:
    accepted = inspect.signature(model.forward).parameters
    try:
        made, words = medium.make(model, recipe)
        wanted = accepted.keys() - (_OF_TEXT if reads_text(model) else set())
        made = {_called(name, wanted): value for name, value in made.items()}
        tensors = {name: _as_input(value, model) for name, value in made.items() if name in wanted}
        if not any(name in tensors for name in medium.inputs):
            raise RecipeError(
                f"its processor makes {', '.join(made)}, and {type(model).__name__} takes none of them."
            )
        if PROMPT in accepted:
            tensors[PROMPT] = prompt(model)
        token_id = _token_id(model.config, medium)
        along = medium.added and token_id is None and not model.config.is_encoder_decoder
        counted = token_id is not None or POSITIONS in accepted or along
        tokens = _count_tokens(model, medium, tensors) if counted else 0
    except AnatomyError:
        raise
    except Exception as error:  # whatever a processor or a tower raises for sizes that it cannot take
        said = f"{type(error).__name__}: {first_line(error)}"
        raise RecipeError(f"{type(model).__name__}'s inputs cannot be made: {said}.") from error
    stands, goes = (0, tokens) if along else (tokens, 0)
    return Media(tensors=tensors, tokens=stands, token_id=token_id, along=goes, words=words)


def _as_input(value: Any, model: Any) -> Any:
    """A tensor, floating ones in the model's dtype: most towers cast to it first."""
    import torch

    tensor = value if isinstance(value, torch.Tensor) else torch.as_tensor(value)
    return tensor.to(model.dtype) if tensor.is_floating_point() else tensor


def _token_id(config: Any, medium: Medium) -> int | None:
    found = (getattr(config, name, None) for name in medium.token)
    return next((token for token in found if isinstance(token, int)), None)


def _count_tokens(model: Any, medium: Medium, tensors: Mapping[str, Any]) -> int:
    """Rows of embeddings that the model's own towers make of these inputs."""
    from anatomy.answers.aside import aside, to_meta

    model = _on_meta(model)
    owner = next((m for m in (getattr(model, "model", None), model) if hasattr(m, medium.features)), None)
    if owner is None:  # then a fixed number of learned queries reads the picture
        return int(getattr(model.config, "latent_query_num", 0))
    method = getattr(owner, medium.features)
    accepted = inspect.signature(method).parameters
    given = {name: value for name, value in tensors.items() if name in accepted}
    if not any(name in given for name in medium.inputs):  # an input of another name here
        own = next(name for name in medium.inputs if name in tensors)
        given[next((name for name in medium.inputs if name in accepted), own)] = tensors[own]
    with aside():
        out = method(**to_meta(given))
    return sum(tensor.numel() // tensor.shape[-1] for tensor in _features(out))


def _on_meta(model: Any) -> Any:
    """The model, or where it is on a device another one of its config: nothing shall be computed."""
    import torch

    if model.device.type == "meta":
        return model
    with torch.device("meta"):
        return type(model)._from_config(model.config, dtype=model.dtype)


def _features(out: Any) -> tuple[Any, ...]:
    """The tensors that are put in the placeholders' places, by transformers' convention `pooler_output`."""
    import torch

    found = getattr(out, "pooler_output", None)
    if found is None and (layers := getattr(out, "deepstack_features", None)):  # (layer, what is added there)
        found = layers[0][1]
    if found is None:
        found = getattr(out, "last_hidden_state", out)
    return (found,) if isinstance(found, torch.Tensor) else tuple(found)


def needs_media(model: Any) -> bool:
    """Whether the model's forward does not run without them."""
    taken = inspect.signature(model.forward).parameters
    names = (name for medium in MEDIUMS for name in medium.inputs if name in taken)
    return any(taken[name].default is inspect.Parameter.empty for name in names)
