"""Models that read or write several ids at a time, one of each codebook of a sound."""

from collections.abc import Mapping
from typing import Any

from anatomy.architecture.vocabulary import says

Batch = dict[str, Any]


def in_streams(model: Any, batch: Batch, accepted: Mapping[str, Any]) -> Batch:
    """The batch with an id of each stream at every position, where the model's embedding tells streams apart.

    A decoder-only model reads [sequences, tokens, streams] and predicts the first; an encoder-decoder's decoder reads such
    ids and predicts every stream, as [sequences x streams, tokens].
    """
    streams = streams_of(model, accepted)
    if streams == 1:
        return batch
    row = batch["input_ids"]
    many = row[..., None].repeat(1, 1, streams)
    if not model.config.is_encoder_decoder:
        return {**batch, "input_ids": many}
    return {**batch, "decoder_input_ids": many, "labels": row.repeat_interleave(streams, 0)}


def streams_of(model: Any, accepted: Mapping[str, Any]) -> int:
    """Ids at a position: entries of the offsets by which an embedding of all codebooks finds the rows of each; 1 for text.

    A tower's own codebooks are of the sound that it reads, not of the sequence.
    """
    found = (
        buffer
        for name, buffer in model.named_buffers()
        if name.endswith("offsets")
        and buffer.dim() == 1
        and not any(says(s, "audio") for s in name.split("."))
    )
    return 1 if "input_values" in accepted else next((len(offsets) for offsets in found), 1)
