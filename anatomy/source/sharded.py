"""A checkpoint in several files: which there are, and whether together they hold what their index says."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from anatomy.blueprint import TensorHeader
from anatomy.errors import SourceError
from anatomy.source.quoting import brief
from anatomy.source.tensor_names import name_fault

SINGLE_FILE = "model.safetensors"
"""The name that transformers gives a checkpoint of one file."""
INDEX_FILE = "model.safetensors.index.json"
"""The name that transformers gives the index of a checkpoint in shards."""

_MAX_SHARDS = 10_000
_LONGEST_NAME = 255
"""Of a file, as file systems have it."""
_HINT = "the checkpoint may be incomplete: get its files again from where it was published"


def read_weight_map(index: Mapping[str, Any], *, what: str) -> dict[str, str]:
    """{tensor: file} of a parsed index; raises `SourceError` unless every file is a plain name beside the index."""
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise SourceError(f"{what} has no weight_map that says which file stores which tensor.", _HINT)
    for tensor, file in weight_map.items():
        if fault := name_fault(tensor):
            raise SourceError(f"{what} {fault}.", _HINT)
        if not isinstance(file, str) or not _is_plain_name(file):
            raise SourceError(
                f"{what} stores {tensor!r} in {brief(file)}, which is not the name of a safetensors file.",
                _HINT,
            )
    if (count := len(set(weight_map.values()))) > _MAX_SHARDS:
        raise SourceError(
            f"{what} names {count:,} files, more than the {_MAX_SHARDS:,} that are read.", _HINT
        )
    return weight_map


def missing_shards(names: Iterable[str], *, what: str) -> SourceError:
    """The error for files that an index names and that are not there."""
    return SourceError(f"{what} names files that are missing: {enumerate_names(sorted(names))}.", _HINT)


def join_shards(
    weight_map: Mapping[str, str], shards: Mapping[str, tuple[TensorHeader, ...]], *, what: str
) -> tuple[tuple[TensorHeader, ...], tuple[str, ...]]:
    """The tensors that the index lists, each from the file it names, and notes on what it does not list.

    `shards` holds the headers of every file in `weight_map`. Raises `SourceError` when a listed tensor is not
    in its file.
    """
    stored = [tensor for file in sorted(shards) for tensor in shards[file]]
    listed = tuple(tensor for tensor in stored if weight_map.get(tensor.name) == tensor.file)
    absent = weight_map.keys() - {tensor.name for tensor in listed}
    if absent:
        raise SourceError(
            f"{what} lists tensors that its files do not store: {enumerate_names(sorted(absent))}.", _HINT
        )
    extra = [tensor.name for tensor in stored if weight_map.get(tensor.name) != tensor.file]
    if not extra:
        return listed, ()
    return listed, (f"{what} does not list {len(extra)} stored tensors, left out: {enumerate_names(extra)}.",)


def enumerate_names(names: Collection[str], *, shown: int = 3) -> str:
    """'a, b, c and 4 more': a few names for a sentence."""
    first = ", ".join(list(names)[:shown])
    return first if len(names) <= shown else f"{first} and {len(names) - shown} more"


def _is_plain_name(name: str) -> bool:
    """No separators and no drive, so that an index cannot point outside its own folder."""
    return (
        name.isprintable()
        and len(name) <= _LONGEST_NAME
        and name.endswith(".safetensors")
        and not set(name) & set("/\\:")
    )
