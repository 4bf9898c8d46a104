"""Models on disk: a folder, a config, a safetensors file or the index of several."""

import re
from collections.abc import Callable
from pathlib import Path

from anatomy.blueprint import Blueprint, Origin, TensorHeader
from anatomy.errors import SourceError
from anatomy.source import gguf_parts
from anatomy.source.adapter import ADAPTER_FILE, read_adapter
from anatomy.source.inside import inside
from anatomy.source.jsonfile import read_object
from anatomy.source.pickles import INDEX_SUFFIX, SUFFIXES, UNOPENED, pickled_weights, pickles_sentence
from anatomy.source.safetensors import read_header
from anatomy.source.sharded import (
    INDEX_FILE,
    SINGLE_FILE,
    enumerate_names,
    join_shards,
    missing_shards,
    read_weight_map,
)

CONFIG_FILE = "config.json"

Stored = tuple[tuple[TensorHeader, ...] | None, tuple[str, ...]]
"""What a checkpoint stores (None when it is not known), and notes on how that was found."""


def read_path(path: Path, *, headers: bool = True) -> Blueprint:
    """The model at `path`, which exists; `headers` says whether a folder's safetensors headers are read too.

    Raises `SourceError` for files of other kinds, for folders without a model, and for files that are damaged.
    """
    try:
        return _read_folder(path, headers=headers) if path.is_dir() else _read_file(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SourceError(
            f"{path} cannot be read: {reason}.", "check the path and its permissions"
        ) from error


def read_stored(folder: Path) -> Stored:
    """What the safetensors files in `folder` store; (None, ()) when there are none."""
    found = (inside(folder, file.name) for file in folder.glob("*.safetensors") if file.name != ADAPTER_FILE)
    files = sorted(file for file in found if file.is_file())
    indexes = sorted(inside(folder, file.name) for file in folder.glob("*.safetensors.index.json"))
    if (folder / SINGLE_FILE) in files:
        return read_header(folder / SINGLE_FILE), ()
    if indexes:
        return read_index(folder / INDEX_FILE if folder / INDEX_FILE in indexes else indexes[0])
    if len(files) == 1:
        return read_header(files[0]), ()
    return _read_unindexed(folder, files) if files else (None, ())


def read_index(path: Path) -> Stored:
    """What the shards named by the index at `path`, all beside it, store."""
    weight_map = read_weight_map(read_object(path), what=str(path))
    shards = {name: inside(path.parent, name) for name in set(weight_map.values())}
    if missing := [name for name, shard in shards.items() if not shard.is_file()]:
        raise missing_shards(missing, what=str(path))
    return join_shards(
        weight_map, {name: read_header(shard) for name, shard in shards.items()}, what=str(path)
    )


def _read_unindexed(folder: Path, files: list[Path]) -> Stored:
    """Several files and no index: shards that count themselves ('-00001-of-00003') are one checkpoint."""
    parts = [re.fullmatch(r"(.*)-(\d+)-of-(\d+)\.safetensors", file.name) for file in files]
    families = {(part[1], part[3]) if part else None for part in parts}
    names = enumerate_names([file.name for file in files])
    if len(families) > 1 or None in families:
        note = f"{folder} holds several safetensors files and no index; none was read: {names}."
        return None, (note,)
    expected = int(next(part[3] for part in parts if part))
    if len(files) != expected:
        raise SourceError(
            f"{folder} holds {len(files)} of {expected} shards: {names}.", "get the missing files"
        )
    tensors = tuple(tensor for file in files for tensor in read_header(file))
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise SourceError(
            f"{folder} stores tensors of the same name in several files: {names}.", f"add its {INDEX_FILE}"
        )
    return tensors, ()


def _read_folder(path: Path, *, headers: bool) -> Blueprint:
    config_file = inside(path, CONFIG_FILE)
    config = read_object(config_file) if config_file.is_file() else None
    tensors, notes = read_stored(path) if headers or config is None else (None, ())
    if tensors is None and not notes and (adapter := read_adapter(path)) is not None:
        return adapter
    if config is None and tensors is None:
        if models := gguf_parts.models_among(entry.name for entry in path.iterdir()):
            return _read_gguf_file(inside(path, gguf_parts.choose(models, str(path), f"{path}/FILE.gguf")))
        raise _nothing_here(path)
    if headers and tensors is None and not notes:
        lacks = f"{path} holds no safetensors files: what a checkpoint stores is not known."
        notes = (lacks + pickles_sentence(entry.name for entry in path.iterdir()),)
    origin = Origin(kind="folder", location=str(path))
    return Blueprint(id=str(path), origin=origin, config=config, tensors=tensors, notes=notes)


def _nothing_here(path: Path) -> SourceError:
    """Why a folder is not a model, with what it holds instead."""
    names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    if pickles := pickled_weights(names):
        raise SourceError(
            f"{path} has no {CONFIG_FILE}, and its weights are {UNOPENED}: {enumerate_names(pickles)}.",
            f"add the model's {CONFIG_FILE}, or convert the weights to safetensors",
        )
    found = f"it holds {enumerate_names(names, shown=5)}" if names else "it is empty"
    return SourceError(f"{path} has neither a {CONFIG_FILE} nor safetensors files; {found}.", _READABLE)


def _read_file(path: Path) -> Blueprint:
    if not path.is_file():
        raise SourceError(f"{path} is neither a file nor a folder.", _READABLE)
    for suffix, read in _FILE_KINDS:
        if path.name.lower().endswith(suffix):
            return read(path)
    own = path.suffix == ".py"
    hint = f"{path}:NAME runs it, and takes the torch.nn.Module that NAME() returns" if own else _READABLE
    raise SourceError(f"{path} is not a kind of file that describes a model.", hint)


def _read_config_file(path: Path) -> Blueprint:
    origin = Origin(kind="file", location=str(path))
    notes = ("Only the config was read; name its folder to read the checkpoint's headers too.",)
    has_weights = any(path.parent.glob("*.safetensors"))
    return Blueprint(
        id=str(path), origin=origin, config=read_object(path), notes=notes if has_weights else ()
    )


def _read_safetensors_file(path: Path) -> Blueprint:
    return _headers_only(path, (read_header(path), ()))


def _read_index_file(path: Path) -> Blueprint:
    return _headers_only(path, read_index(path))


def _headers_only(path: Path, stored: Stored) -> Blueprint:
    tensors, notes = stored
    if (path.parent / CONFIG_FILE).is_file():
        notes += (f"Only the headers were read; name the folder to use its {CONFIG_FILE} too.",)
    return Blueprint(
        id=str(path), origin=Origin(kind="file", location=str(path)), tensors=tensors, notes=notes
    )


def _read_gguf_file(path: Path) -> Blueprint:
    from anatomy.source.gguf_files import read_gguf_file

    return read_gguf_file(path)


def _refuse_pickle(path: Path) -> Blueprint:
    raise SourceError(
        f"{path} is a pickle, which can run code when it is opened, so it never is.",
        "name the model's config.json or folder, or convert the weights to safetensors",
    )


def _refuse_index_of_pickles(path: Path) -> Blueprint:
    raise SourceError(
        f"{path} is an index of pickles, which can run code when they are opened, so they never are.",
        "name the model's config.json or folder, or convert the weights to safetensors",
    )


_READABLE = (
    "a model is a folder with config.json, *.safetensors or *.gguf, or one of these files, or a hub id"
)

_FILE_KINDS: tuple[tuple[str, Callable[[Path], Blueprint]], ...] = (
    (".safetensors.index.json", _read_index_file),
    (INDEX_SUFFIX, _refuse_index_of_pickles),
    (".json", _read_config_file),
    (".safetensors", _read_safetensors_file),
    (gguf_parts.SUFFIX, _read_gguf_file),
    *((suffix, _refuse_pickle) for suffix in SUFFIXES),
)
"""How a file's name ends and what reads it; the first match counts."""

FILE_SUFFIXES: tuple[str, ...] = tuple(suffix for suffix, _ in _FILE_KINDS)
"""Endings that no hub id has, by which a reference is known to be a path."""
