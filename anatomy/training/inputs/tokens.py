"""Token ids that mean nothing special: no padding, no end-of-text in the middle; and placeholders where they are meant."""

import inspect
from typing import Any

from anatomy.errors import RecipeError


def ordinary_ids(config: Any) -> tuple[int, ...]:
    """Some token ids that mean nothing special to this model. Raises RecipeError where there is none."""
    parts = (config, config.get_text_config())
    special = {
        value
        for part in parts
        for name, value in vars(part).items()
        if name.endswith(("token_id", "token_index")) and isinstance(value, int)
    }
    vocabulary = vocabulary_of(config)
    start = min(vocabulary // 2, 1000)
    ordinary = tuple(i for i in range(start, min(vocabulary, start + 64)) if i not in special)
    if not ordinary:
        raise RecipeError(f"a vocabulary of {vocabulary} tokens leaves no ordinary token to train on.")
    return ordinary


def vocabulary_of(config: Any) -> int:
    """Tokens that the model's text part knows. Raises RecipeError where its config does not say."""
    for part in (config.get_text_config(), config, getattr(config, "decoder", None)):
        for name in _SIZES:
            size = getattr(part, name, None)
            if isinstance(size, int):
                return size
    raise RecipeError(
        f"the config of '{config.model_type}' does not say how many tokens its vocabulary has.",
        hint="this model's inputs are not modelled; `anatomy show` still takes it apart",
    )


_SIZES = ("vocab_size", "num_hash_buckets")
"""What configs call it; a model without a vocabulary hashes characters."""


def tokens(ids: tuple[int, ...], size: tuple[int, int]) -> Any:
    """int64 [sequences, length] of these ids in turn, on the CPU."""
    import torch

    cycle = torch.tensor(ids, dtype=torch.int64)
    return cycle[torch.arange(size[0] * size[1]) % len(ids)].view(size)


def reads_text(model: Any) -> bool:
    """Whether the model takes token ids, so that it can be trained without media."""
    return "input_ids" in inspect.signature(model.forward).parameters
