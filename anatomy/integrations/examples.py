"""An example of the batches that a training will see, made without taking anything from the training."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from anatomy.errors import RehearsalError
from anatomy.training.step import Batch

LOOKED_AT = 256
"""Rows of the dataset to look at for the longest: enough to meet a long one, few enough to read at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One batch, on the host."""

    batch: Batch
    assumption: str
    """In what way the training's batches are taken to be like this one."""


def example_batch(dataloader: Any, size: int) -> Example:
    """A batch of the longest rows among up to LOOKED_AT of the dataset, spread evenly, through a copy of the collator.

    Neither the loader nor its sampler is asked for anything; the caller keeps random states. Raises RehearsalError
    for a dataset without random access, of which rows would be missing in the training.
    """
    dataset = dataloader.dataset
    if isinstance(dataset, torch.utils.data.IterableDataset) or not hasattr(dataset, "__len__"):
        raise RehearsalError(
            "the dataset is a stream: rows taken to plan with would be missing in the training; pass an example "
            "batch, MemoryCallback(batch=...)."
        )
    count = len(dataset)
    looked_at = min(count, max(LOOKED_AT, size))
    rows = [dataset[count * i // looked_at] for i in range(looked_at)]
    longest = sorted(rows, key=_length, reverse=True)[:size]
    try:
        collate = copy.deepcopy(dataloader.collate_fn)  # a collator can have a random generator of its own
    except Exception as error:
        raise RehearsalError(
            f"the data collator cannot be copied, and using it could change it: {error}."
        ) from error
    batch = collate(longest)
    if not isinstance(batch, Mapping):
        raise RehearsalError(f"the collator returns a {type(batch).__name__}, where a Trainer takes a dict.")
    among = f"all {count:,} rows" if looked_at == count else f"{looked_at:,} of {count:,} rows"
    shapes = ", ".join(f"{name} {'×'.join(map(str, v.shape))}" for name, v in batch.items() if _is_tensor(v))
    return Example(
        batch=dict(batch), assumption=f"every batch is like one of the longest among {among}: {shapes}"
    )


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _length(row: Any) -> int:
    """Numbers in a row, or characters of what is not tokenized yet."""
    if isinstance(row, torch.Tensor):
        return int(row.numel())
    if isinstance(row, str):
        return len(row)
    if isinstance(row, Mapping):
        return sum(map(_length, row.values()))
    if isinstance(row, (list, tuple)):
        return sum(map(_length, row)) if row and isinstance(row[0], (list, tuple, Mapping, str)) else len(row)
    return getattr(row, "size", 1) if hasattr(row, "dtype") else 1
