"""Names of GGUF models: of one file, or of one split into several that count themselves ('-00001-of-00003.gguf')."""

import re
from collections.abc import Iterable, Sequence

from anatomy.errors import SourceError
from anatomy.source.sharded import enumerate_names

SUFFIX = ".gguf"
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf", re.IGNORECASE)
_MAX_PARTS = 1_000


def parts_of(name: str) -> list[str]:
    """The names of all parts of a model of which `name` is one; `name` alone where it is no part."""
    part = _PART.fullmatch(name)
    if part is None:
        return [name]
    count = int(part[3])
    if not 1 <= int(part[2]) <= count <= _MAX_PARTS:
        raise SourceError(f"{name} counts itself as no part of any model.", "check the file's name")
    return [f"{part[1]}-{number:05d}-of-{part[3]}{name[-len(SUFFIX) :]}" for number in range(1, count + 1)]


def models_among(names: Iterable[str]) -> list[str]:
    """The GGUF models among files' names, each by its first part where it is split."""
    found = [name for name in names if name.lower().endswith(SUFFIX)]
    return sorted(name for name in found if not (part := _PART.fullmatch(name)) or int(part[2]) == 1)


def choose(models: Sequence[str], where: str, how: str) -> str:
    """The one model of several `models`; raises `SourceError` that lists them, with `how` to name one."""
    if len(models) == 1:
        return models[0]
    listed = enumerate_names(models, shown=8)
    raise SourceError(f"{where} holds {len(models)} GGUF models: {listed}.", f"name one of them, {how}")
