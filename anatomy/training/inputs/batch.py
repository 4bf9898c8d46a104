"""The batch that a collator would hand to the model: real ids, on the CPU, of the recipe's size.

Values matter little for memory but not nothing: a model may ask where the padding is, or where a picture stands. The ids
here are ordinary tokens, and as many placeholders as the pictures or the sound of a sequence take.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.inputs.beside import Beside, boxes, complete
from anatomy.training.inputs.labels import class_labels, class_with_a_loss, zeros
from anatomy.training.inputs.media import Media, media_of
from anatomy.training.inputs.streams import in_streams, streams_of
from anatomy.training.inputs.tokens import ordinary_ids, tokens, vocabulary_of
from anatomy.training.padding_free import check_padding_free, flattened
from anatomy.training.recipe import Recipe

Batch = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchPlan:
    """How to make this model's batch, and what was assumed in deciding so."""

    make: Callable[[], Batch]
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
            hint=class_with_a_loss(model.config.model_type),
        )
    if "input_ids" in accepted:
        return _text(model, accepted, recipe)
    media = media_of(model, recipe)
    if media is None:
        raise RecipeError(
            f"{type(model).__name__} takes inputs that are not modelled: {', '.join(list(accepted)[:6])}.",
            hint="`anatomy show` still takes the model apart",
        )
    return _media_alone(model, media, recipe)


def _text(model: Any, accepted: Mapping[str, Any], recipe: Recipe) -> BatchPlan:
    """Token ids, with what media come beside them."""
    size = (recipe.batch_size, recipe.seq_len)
    ids = ordinary_ids(model.config)
    classes = class_labels(model)
    media = media_of(model, recipe)
    if recipe.padding_free:
        check_padding_free(model, accepted, of_tokens=classes is None)
    if media is not None and media.tokens >= recipe.seq_len:
        raise RecipeError(
            f"{media.words} take {media.tokens:,} tokens, which leaves no text in a sequence of {recipe.seq_len:,}.",
            hint="raise --seq-len, or make them smaller",
        )

    if media is not None and media.along not in (0, recipe.seq_len):
        raise RecipeError(
            f"{media.words} go along with {media.along:,} tokens, and a sequence has {recipe.seq_len:,}.",
            hint=f"--seq-len {media.along}, or another length of the sound",
        )

    def make() -> Batch:
        import torch

        row = tokens(ids, size)
        batch: Batch = {"input_ids": row}
        if "attention_mask" in accepted:
            batch["attention_mask"] = torch.ones(size, dtype=torch.int64)
        batch["labels"] = row.clone() if classes is None else classes(size)
        if "mm_token_type_ids" in accepted:
            batch["mm_token_type_ids"] = zeros(size)
        batch = in_streams(model, boxes(batch, accepted), accepted)
        if media is not None:
            _add_media(model, batch, media, accepted)
        if classes is not None:
            _end(batch, model.config)
        if recipe.padded:
            _pad_last(batch)
        _shift_for_decoder(model, batch, recipe)
        if recipe.adapter is not None and recipe.adapter.takes_tasks:
            batch["task_ids"] = torch.zeros(size[0], dtype=torch.int64)
        if "next_sentence_label" in accepted:
            batch["next_sentence_label"] = torch.zeros(size[0], dtype=torch.int64)
        return flattened(batch) if recipe.padding_free else batch

    said = _text_assumptions(model, media, recipe)
    if (streams := streams_of(model, accepted)) > 1:
        said += (f"every position holds an id of each of {streams} streams of sound",)
    return BatchPlan(make=make, assumptions=said, tokens=size[0] * size[1])


def _text_assumptions(model: Any, media: Media | None, recipe: Recipe) -> tuple[str, ...]:
    length = f"{recipe.seq_len:,} tokens"
    row = f"one row of {recipe.batch_size * recipe.seq_len:,} tokens"
    said = [
        f"sequences are padded to {length}, so attention needs a mask"
        if recipe.padded
        else f"the sequences of a micro-batch come as {row}, told apart by their positions"
        if recipe.padding_free
        else f"every sequence is {length} long, without padding"
    ]
    if model.config.is_encoder_decoder:
        said.append(f"the decoder's target is as long as the input: {recipe.seq_len:,} tokens")
    if media is not None:
        among = f", {media.tokens:,} of its tokens" if media.tokens else ""
        said.append(f"{media.words}{among}")
    elif absent := _absent(model):
        said.append(f"the batch holds text only, no {absent}")
    return tuple(said)


_TOWERS = {"input_features": "sound", "input_values": "sound", "protein_input_ids": "proteins"}
"""What else than pictures a class may take beside text, by its input's name."""


def _absent(model: Any) -> str:
    """What a model takes beside text, whose tower does not run without; '' for a model of text alone."""
    if getattr(model.config, "vision_config", None) is not None:
        return "images"
    accepted = inspect.signature(model.forward).parameters
    return next((word for name, word in _TOWERS.items() if name in accepted), "")


def _add_media(model: Any, batch: Batch, media: Media, accepted: Mapping[str, Any]) -> None:
    """The media of every sequence, and placeholders for them at the beginning of its text."""
    sequences = batch["input_ids"].shape[0]
    batch.update(_repeated(media, sequences))
    stands = slice(1, 1 + media.tokens)
    if media.token_id is not None:
        batch["input_ids"][:, stands] = media.token_id
    if batch["labels"].shape == batch["input_ids"].shape:
        batch["labels"][:, stands] = -100
    for name in ("token_type_ids", "mm_token_type_ids"):  # what stands for media is of a kind of its own
        if name in accepted:
            batch[name] = zeros(batch["input_ids"].shape)
            batch[name][:, stands] = 1
    complete(Beside(model=model, batch=batch, placeholders=media.tokens), accepted)


def _repeated(media: Media, sequences: int) -> Batch:
    """A collator joins the media of all sequences along their first dimension."""
    return {name: t.repeat(sequences, *[1] * (t.dim() - 1)) for name, t in media.tensors.items()}


def _end(batch: Batch, config: Any) -> None:
    """Sequences to be classified end as a tokenizer ends them: encoder-decoders look for that token."""
    end = getattr(config.get_text_config(), "eos_token_id", None)
    if isinstance(end, int) and 0 <= end < vocabulary_of(config) and config.is_encoder_decoder:
        batch["input_ids"][:, -1] = end


def _pad_last(batch: Batch) -> None:
    """The last position of the last sequence becomes padding: how much is padded does not change a mask's size."""
    if "attention_mask" in batch:
        batch["attention_mask"][-1, -1] = 0
    if batch["labels"].dim() == 2:
        batch["labels"][-1, -1] = -100


def _media_alone(model: Any, media: Media, recipe: Recipe) -> BatchPlan:
    """Pictures with classes, or sound or pictures with a text to write."""
    classes = class_labels(model)
    size = (recipe.batch_size, _target_length(model.config, recipe))
    ids = () if classes is not None else ordinary_ids(model.config)

    def make() -> Batch:
        batch = _repeated(media, recipe.batch_size)
        batch["labels"] = tokens(ids, size) if classes is None else classes(size)
        _shift_for_decoder(model, batch, recipe)
        return batch

    if classes is not None:
        return BatchPlan(
            make=make,
            assumptions=(f"{media.words}; the sequence length is not used",),
            tokens=recipe.batch_size * _patches(model.config, media),
        )
    most = ", the most the decoder takes" if size[1] < recipe.seq_len else ""
    return BatchPlan(
        make=make,
        assumptions=(media.words, f"targets of {size[1]:,} tokens{most}"),
        tokens=size[0] * size[1],
    )


def _target_length(config: Any, recipe: Recipe) -> int:
    """Tokens that a decoder writes: what the recipe says, or the most that the decoder takes."""
    parts = (config, getattr(config, "decoder", None), config.get_text_config())
    names = ("max_target_positions", "max_position_embeddings")
    limits = [getattr(part, name, None) for part in parts for name in names]
    return min([recipe.seq_len, *(limit for limit in limits if isinstance(limit, int) and limit > 0)])


def _patches(config: Any, media: Media) -> int:
    """Tokens of a picture for a tower of square patches; 1 for others."""
    patch, pixels = getattr(config, "patch_size", None), media.tensors.get("pixel_values")
    if not isinstance(patch, int) or pixels is None or pixels.dim() != 4:
        return 1
    return int(pixels.shape[-2] // patch) * int(pixels.shape[-1] // patch)


def _shift_for_decoder(model: Any, batch: Batch, recipe: Recipe) -> None:
    """What DataCollatorForSeq2Seq adds: a model that gets no labels, because a smoother does, cannot shift them itself."""
    if recipe.label_smoothing and hasattr(model, "prepare_decoder_input_ids_from_labels"):
        batch["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels=batch["labels"])
