"""A micro-batch as one long row: what transformers' DataCollatorWithFlattening and TRL's padding-free collators make."""

from collections.abc import Container
from typing import Any

from anatomy.errors import RecipeError


def check_padding_free(model: Any, accepted: Container[str], *, of_tokens: bool) -> None:
    """Raises RecipeError for a model that cannot tell sequences in one row apart.

    `of_tokens`: whether the labels are tokens of the sequences, as language models have them.
    """
    if not of_tokens:
        raise RecipeError(
            f"{type(model).__name__} is trained on labels that are no tokens: no collator puts them in one row.",
            hint="leave --padding-free out",
        )
    if "position_ids" not in accepted or model.config.is_encoder_decoder:
        raise RecipeError(
            f"{type(model).__name__} takes no position_ids, by which sequences in one row are told apart.",
            hint="leave --padding-free out",
        )


def flattened(batch: dict[str, Any]) -> dict[str, Any]:
    """`batch` of (sequences, tokens) as one row: positions start anew with every sequence, and its first token is no label."""
    import torch

    ids, labels = batch["input_ids"], batch["labels"].clone()
    labels[:, 0] = -100
    positions = torch.arange(ids.shape[1]).expand(ids.shape)
    return {
        "input_ids": ids.reshape(1, -1),
        "labels": labels.reshape(1, -1),
        "position_ids": positions.reshape(1, -1),
    }
