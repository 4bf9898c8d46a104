"""The sound of one sequence, as the model's own feature extractor makes it of silence."""

import inspect
from collections.abc import Mapping
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.inputs.processors import DEFAULT_SECONDS, feature_extractor, only_frames
from anatomy.training.inputs.tokens import reads_text
from anatomy.training.recipe import Recipe


def sound(model: Any, recipe: Recipe) -> tuple[Mapping[str, Any], str]:
    """What the extractor makes, by the names of the model's inputs, and what it is in words. Raises RecipeError."""
    import numpy as np

    try:
        extractor = feature_extractor(model)
    except RecipeError:
        if reads_text(model) or "input_values" not in inspect.signature(model.forward).parameters:
            raise
        return _samples(model, recipe)
    rate = getattr(extractor, "sampling_rate", _RATE)
    window = getattr(extractor, "chunk_length", None)
    own = float(window) if isinstance(window, (int, float)) else None
    seconds = recipe.audio_seconds or own or DEFAULT_SECONDS
    why = (
        "as asked"
        if recipe.audio_seconds
        else "the extractor's own window"
        if own
        else "a length that nothing states"
    )
    silence = np.zeros(int(rate * seconds), dtype=np.float32)
    accepted = inspect.signature(type(extractor).__call__).parameters
    options = {"return_attention_mask": True} if "return_attention_mask" in accepted else {}
    made = extractor(silence, sampling_rate=rate, return_tensors="pt", **options)
    if (frames := only_frames(model, made.get("input_features"))) is not None:
        return {
            "input_features": frames
        }, f"audio of {frames.shape[-1]:,} feature frames, all that the encoder takes"
    return made, f"{seconds:g} seconds of audio a sequence ({why})"


def _samples(model: Any, recipe: Recipe) -> tuple[Mapping[str, Any], str]:
    """Samples alone, without an extractor: what a model that reads them takes, whose type transformers has none for."""
    import torch

    encoder = getattr(model.config, "encoder_config", model.config)
    rate = getattr(encoder, "sample_rate", _RATE)
    seconds = recipe.audio_seconds or DEFAULT_SECONDS
    why = "as asked" if recipe.audio_seconds else "a length that nothing states"
    words = f"{seconds:g} seconds of audio a sequence ({why}), not from its extractor"
    return {"input_values": torch.zeros((1, int(rate * seconds)))}, words


_RATE = 16_000
"""Samples a second of speech, where nothing states how many."""
