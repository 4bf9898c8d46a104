"""The batch that a collator would hand to the model: real ids, on the CPU, of the recipe's size.

Values matter little for memory but not nothing: a model may ask where the padding is. The ids here are ordinary
tokens: no padding, no end-of-text in the middle, no image placeholders.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.padding_free import check_padding_free, flattened
from anatomy.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchPlan:
    """How to make this model's batch, and what was assumed in deciding so."""

    make: Callable[[], dict[str, Any]]
    """Returns a fresh batch of CPU tensors, each call."""
    assumptions: tuple[str, ...]
    tokens: int
    """Tokens that the model reads in one micro-batch."""


def plan_batch(model: Any, recipe: Recipe) -> BatchPlan:
    """The batch for `model` (a transformers model with a loss).

    Raises RecipeError where the class computes no loss, or asks for inputs that are not modelled.
    """
    accepted = inspect.signature(model.forward).parameters
    if "labels" not in accepted:
        raise RecipeError(
            f"{type(model).__name__} computes no loss, so there is nothing to train.",
            hint=_class_with_a_loss(model.config.model_type),
        )
    for kind in _KINDS:
        if kind.applies(model, accepted):
            return kind.plan(model, accepted, recipe)
    raise RecipeError(
        f"{type(model).__name__} takes inputs that are not modelled: {', '.join(list(accepted)[:6])}.",
        hint="`anatomy show` still takes the model apart",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    applies: Callable[[Any, Any], bool]
    plan: Callable[[Any, Any, Recipe], BatchPlan]


def _text(model: Any, accepted: Any, recipe: Recipe) -> BatchPlan:
    size = (recipe.batch_size, recipe.seq_len)
    ids = _ordinary_ids(model.config)
    classes = _class_labels(model)
    if recipe.padding_free:
        check_padding_free(model, accepted, recipe, of_tokens=classes is None)
    length = f"{recipe.seq_len:,} tokens"
    assumptions = [
        f"sequences are padded to {length}, so attention needs a mask"
        if recipe.padded
        else f"every sequence is {length} long, without padding"
    ]
    if recipe.padding_free:
        assumptions.append("the sequences of a micro-batch come as one row, told apart by their positions")
    if model.config.is_encoder_decoder:
        assumptions.append(f"the decoder's target is as long as the input: {recipe.seq_len:,} tokens")
    if getattr(model.config, "vision_config", None) is not None:
        assumptions.append("the batch holds text only, no images")

    def make() -> dict[str, Any]:
        import torch

        tokens = _tokens(ids, size)
        batch = {"input_ids": tokens}
        if "attention_mask" in accepted:
            batch["attention_mask"] = torch.ones(size, dtype=torch.int64)
        batch["labels"] = tokens.clone() if classes is None else classes(size)
        if recipe.padded:
            _pad_last(batch)
        _shift_for_decoder(model, batch, recipe)
        if recipe.adapter is not None and recipe.adapter.takes_tasks:
            batch["task_ids"] = torch.zeros(size[0], dtype=torch.int64)
        if "next_sentence_label" in accepted:
            batch["next_sentence_label"] = torch.zeros(size[0], dtype=torch.int64)
        return flattened(batch) if recipe.padding_free else batch

    return BatchPlan(make=make, assumptions=tuple(assumptions), tokens=size[0] * size[1])


def _pad_last(batch: dict[str, Any]) -> None:
    """The last position of the last sequence becomes padding: how much is padded does not change a mask's size."""
    if "attention_mask" in batch:
        batch["attention_mask"][-1, -1] = 0
    if batch["labels"].dim() == 2:
        batch["labels"][-1, -1] = -100


def _image(model: Any, accepted: Any, recipe: Recipe) -> BatchPlan:
    config = model.config
    side = config.image_size
    height, width = side if isinstance(side, (list, tuple)) else (side, side)
    shape = (recipe.batch_size, getattr(config, "num_channels", 3), height, width)
    patch = getattr(config, "patch_size", None)

    def make() -> dict[str, Any]:
        import torch

        return {
            "pixel_values": torch.zeros(shape, dtype=model.dtype),
            "labels": torch.zeros(shape[0], dtype=torch.int64),
        }

    per_image = (height // patch) * (width // patch) if isinstance(patch, int) else 1
    return BatchPlan(
        make=make,
        assumptions=(
            f"images of {height} x {width} pixels, the config's own size; the sequence length is not used",
        ),
        tokens=recipe.batch_size * per_image,
    )


def _speech(model: Any, accepted: Any, recipe: Recipe) -> BatchPlan:
    config = model.config
    frames = 2 * config.max_source_positions  # the stem's second convolution halves the number of frames
    target = min(recipe.seq_len, config.max_target_positions)
    ids = _ordinary_ids(config)

    def make() -> dict[str, Any]:
        import torch

        shape = (recipe.batch_size, config.num_mel_bins, frames)
        batch = {
            "input_features": torch.zeros(shape, dtype=model.dtype),
            "labels": _tokens(ids, (recipe.batch_size, target)),
        }
        _shift_for_decoder(model, batch, recipe)
        return batch

    return BatchPlan(
        make=make,
        assumptions=(
            f"audio of {frames:,} feature frames, the most the encoder takes",
            f"targets of {target:,} tokens"
            + (", the most the decoder takes" if target < recipe.seq_len else ""),
        ),
        tokens=recipe.batch_size * target,
    )


_KINDS: tuple[_Kind, ...] = (
    _Kind(
        applies=lambda m, a: "input_features" in a and hasattr(m.config, "max_source_positions"),
        plan=_speech,
    ),
    _Kind(
        applies=lambda m, a: "pixel_values" in a and "input_ids" not in a and hasattr(m.config, "image_size"),
        plan=_image,
    ),
    _Kind(applies=lambda m, a: "input_ids" in a, plan=_text),
)


def _class_with_a_loss(model_type: str) -> str:
    """A hint that names a class of this model type which can be trained."""
    from transformers.models.auto import modeling_auto as auto

    for names in (
        auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    ):
        name = names.get(model_type)
        if isinstance(name, str):
            return f"name a class with a head: --set 'architectures=[\"{name}\"]'"
    return "name a class with a head with --set 'architectures=[...]'"


def _shift_for_decoder(model: Any, batch: dict[str, Any], recipe: Recipe) -> None:
    """What DataCollatorForSeq2Seq adds: a model that gets no labels, because a smoother does, cannot shift them itself."""
    if recipe.label_smoothing and hasattr(model, "prepare_decoder_input_ids_from_labels"):
        batch["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels=batch["labels"])


def _class_labels(model: Any) -> Callable[[tuple[int, int]], Any] | None:
    """What makes labels for a batch of (sequences, tokens) where they are classes; None where they are token ids."""
    from transformers.models.auto import modeling_auto as auto

    name = type(model).__name__
    if name in auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES.values():
        return _zeros
    per_sequence = (
        auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        auto.MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES,
    )
    if not any(name in names.values() for names in per_sequence):
        return None
    many, problem = model.config.num_labels, getattr(model.config, "problem_type", None)
    if problem == "multi_label_classification" or (problem == "regression" and many > 1):
        return lambda size: _zeros((size[0], many)).float()
    if problem == "regression" or (
        problem is None and many == 1
    ):  # a target is a number, as transformers takes it
        return lambda size: _zeros(size[:1]).float()
    return lambda size: _zeros(size[:1])


def _zeros(size: tuple[int, ...]) -> Any:
    import torch

    return torch.zeros(size, dtype=torch.int64)


def _ordinary_ids(config: Any) -> tuple[int, ...]:
    """Some token ids that mean nothing special to this model."""
    text = config.get_text_config()
    special = {
        v for c in (config, text) for k, v in vars(c).items() if k.endswith("token_id") and isinstance(v, int)
    }
    special |= {
        v
        for c in (config, text)
        for k, v in vars(c).items()
        if k.endswith("token_index") and isinstance(v, int)
    }
    vocabulary = text.vocab_size
    start = min(vocabulary // 2, 1000)
    ordinary = tuple(i for i in range(start, min(vocabulary, start + 64)) if i not in special)
    if not ordinary:
        raise RecipeError(f"a vocabulary of {vocabulary} tokens leaves no ordinary token to train on.")
    return ordinary


def _tokens(ids: tuple[int, ...], size: tuple[int, int]) -> Any:
    import torch

    cycle = torch.tensor(ids, dtype=torch.int64)
    return cycle[torch.arange(size[0] * size[1]) % len(ids)].view(size)
