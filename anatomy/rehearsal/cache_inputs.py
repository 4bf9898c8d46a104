"""What is given to a model so that its cache can be looked at: a short text, and beside it what the class must have."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anatomy.training.inputs.batch import plan_batch
from anatomy.training.inputs.media import MEDIUMS, Media, media_of, needs_media
from anatomy.training.inputs.tokens import ordinary_ids, reads_text, tokens
from anatomy.training.recipe import Recipe

TOKENS = 8
"""Length of the text: long enough for a convolution's kernel, short enough for recurrences that go token by token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """The inputs of one forward pass."""

    batch: dict[str, Any]
    """CPU tensors by the name of the model's input."""
    length: int
    """Tokens that the decoder reads."""
    words: str = ""
    """The picture or the sound beside the text, as shown to the user; '' for text alone."""


def passes(model: Any) -> Iterator[Pass]:
    """Passes in the order to try them: text alone, then with one picture or sound. Raises RecipeError: they cannot be made."""
    if reads_text(model) and not needs_media(model):
        yield _with(model, None)
    if any(name in _taken(model) for medium in MEDIUMS for name in medium.inputs):
        yield _with(model, media_of(model, Recipe()))


def _with(model: Any, media: Media | None) -> Pass:
    """The training batch without its labels: a class that is given these may keep no cache."""
    alone = media is None or not reads_text(model)
    length = TOKENS if alone or media is None else media.along or media.tokens + TOKENS
    if "labels" in _taken(model):
        batch = plan_batch(model, Recipe(seq_len=length, images=0 if media is None else None)).make()
        del batch["labels"]
    else:  # a part without a head
        batch = {"input_ids": tokens(ordinary_ids(model.config), (1, length))}
    if model.config.is_encoder_decoder and "decoder_input_ids" not in batch:
        batch["decoder_input_ids"] = tokens(ordinary_ids(model.config), (1, TOKENS))
    if model.config.is_encoder_decoder:
        length = batch["decoder_input_ids"].shape[1]
    return Pass(batch=batch, length=length, words="" if media is None else media.words)


def _taken(model: Any) -> Any:
    return inspect.signature(model.forward).parameters
