"""What some models ask for beside ids and pictures: where the pictures stand, who sees them, a prompt for their reader.

A Processor makes these from the text; here they follow from the batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anatomy.training.inputs.tokens import ordinary_ids, tokens

POSITIONS = "image_embeds_position_mask"
"""A model that takes this needs no id for the tokens that stand for a picture."""
PROMPT = "qformer_input_ids"
"""A model that takes this has its pictures read by a part that is told what to look for."""
PROMPT_LENGTH = 32
"""Tokens of the instruction that is shown to the reader of a picture."""

Batch = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """A model, its batch so far, and how many tokens of a sequence stand for media (they come second, after one token)."""

    model: Any
    batch: Batch
    placeholders: int


def prompt(model: Any) -> Any:
    """int64 [1, PROMPT_LENGTH]: an instruction, in ids of the vocabulary of the reader of a picture."""
    return tokens(ordinary_ids(getattr(model.config, "qformer_config", model.config)), (1, PROMPT_LENGTH))


def complete(beside: Beside, accepted: Mapping[str, Any]) -> None:
    """Add to the batch what the model takes, and no processor made."""
    for name, make in _MAKERS.items():
        if name in accepted and name not in beside.batch:
            beside.batch[name] = make(beside)


def boxes(batch: Batch, accepted: Mapping[str, Any]) -> Batch:
    """The batch with float32 [sequences, tokens, 4], where each token stands on a page, for a model that needs it."""
    import torch

    if (
        "bbox" not in accepted or "visual_bbox" not in accepted
    ):  # without those of pictures there is a default
        return batch
    return {**batch, "bbox": torch.zeros((*batch["input_ids"].shape, 4))}


def _positions(beside: Beside) -> Any:
    """bool [sequences, tokens]: where the picture's embeddings go."""
    import torch

    mask = torch.zeros(beside.batch["input_ids"].shape, dtype=torch.bool)
    mask[:, 1 : 1 + beside.placeholders] = True
    return mask


def _seen_by(beside: Beside) -> Any:
    """int64 [sequences, tokens, images]: every token sees every picture, which then come as [sequences, images, ...]."""
    import torch

    sequences, length = beside.batch["input_ids"].shape
    pixels = beside.batch["pixel_values"]
    images = pixels.shape[0] // sequences
    beside.batch["pixel_values"] = pixels.view(sequences, images, *pixels.shape[1:])
    return torch.ones((sequences, length, images), dtype=torch.int64)


_MAKERS: Mapping[str, Callable[[Beside], Any]] = {
    POSITIONS: _positions,
    "image_attention_mask": _seen_by,
}
"""A model's input -> what makes it."""
