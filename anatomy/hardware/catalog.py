"""Well-known GPUs and what of their memory an allocator can get."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from anatomy.errors import RecipeError
from anatomy.hardware.context import context_for
from anatomy.units import GIB, MIB

Reading = Literal["torch", "nvidia-smi", "nominal"]

# Words that some write and others leave out: 'NVIDIA GeForce RTX 4090' is 'RTX 4090'.
_OPTIONAL_WORDS = re.compile(r"nvidia|amd|geforce|tesla|instinct|rtx|[^a-z0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One kind of GPU."""

    name: str
    """What people call it, with its memory size where several exist."""
    vendor: str
    """'NVIDIA' or 'AMD'."""
    memory_bytes: int
    """Memory that one process can allocate, in bytes."""
    read_from: Reading
    """Who reported `memory_bytes`: torch's total_memory; nvidia-smi, which is a little more; or the data sheet."""
    source: str
    """Where `memory_bytes` was published."""
    nominal_bytes: int
    """The figure on the box, its GB taken as 2**30 bytes."""
    compute_capability: str
    """CUDA's compute capability ('8.0'), or AMD's target ('gfx942')."""
    multiprocessors: int
    """Streaming multiprocessors, or compute units."""
    bf16: bool
    """Whether the hardware multiplies bfloat16."""
    memory_kind: str = ""
    """E.g. 'HBM3' or 'GDDR6X'."""
    aliases: tuple[str, ...] = ()
    """Other names, the driver's among them."""
    smi_bytes: int | None = None
    """The total that nvidia-smi shows, where it was found; torch's is lower."""
    smi_source: str | None = None
    """Where `smi_bytes` was published."""
    peak_flops: float | None = None
    """Dense 16-bit matrix FLOP/s (a multiply-add is two) by a data sheet; None when none was consulted."""
    peak_source: str | None = None
    """Which data sheet."""

    @property
    def nominal(self) -> bool:
        """True when only the figure on the box is public, so that less will be usable."""
        return self.read_from == "nominal"

    @property
    def context_bytes(self) -> int:
        """Assumed memory of the CUDA context and libraries, in bytes; `context_for` gives range and source."""
        return context_for(self.compute_capability).bytes


@cache
def all_gpus() -> tuple[Gpu, ...]:
    """Every GPU of the catalog, the smallest memory first."""
    rows = tomllib.loads((files(__package__) / "gpus.toml").read_text(encoding="utf-8"))["gpu"]
    return tuple(sorted(map(_gpu, rows), key=lambda gpu: (gpu.memory_bytes, gpu.name)))


def lookup(name: str) -> Gpu:
    """The GPU that a user or a driver calls `name`. Raises RecipeError, with close matches, when there is none."""
    if not isinstance(name, str):
        raise RecipeError(f"A GPU is named by a text, not by {name!r}.", hint="`anatomy gpus` lists them")
    found = _index().get(_key(name))
    if found is None:
        raise RecipeError(f"{name!r} is not a GPU of the catalog.", hint=_suggestion(name))
    return found


def _gpu(row: Mapping[str, Any]) -> Gpu:
    smi = row.get("smi_mib")
    return Gpu(
        name=row["name"],
        aliases=tuple(row.get("aliases", ())),
        vendor=row["vendor"],
        memory_bytes=row.get("memory_mib", row["nominal_gib"] * (GIB // MIB)) * MIB,
        nominal_bytes=row["nominal_gib"] * GIB,
        read_from=row["read_from"],
        source=row["source"],
        smi_bytes=smi * MIB if smi else None,
        smi_source=row.get("smi_source"),
        compute_capability=row["compute_capability"],
        multiprocessors=row["multiprocessors"],
        memory_kind=row["memory_kind"],
        bf16=row["bf16"],
        peak_flops=row.get("peak_flops"),
        peak_source=row.get("peak_source"),
    )


def _key(name: str) -> str:
    return _OPTIONAL_WORDS.sub("", name.lower())


@cache
def _index() -> Mapping[str, Gpu]:
    return {_key(name): gpu for gpu in all_gpus() for name in (gpu.name, *gpu.aliases)}


def _like(name: str) -> list[str]:
    """GPUs whose whole names are spelled alike: 'RTX 9999' means some RTX."""
    names = {gpu.name.lower(): gpu.name for gpu in all_gpus()}
    return [names[found] for found in difflib.get_close_matches(name.lower(), names, n=4)]


def _suggestion(name: str) -> str:
    key = _key(name)
    keys = [k for k in _index() if key and k.startswith(key)] or difflib.get_close_matches(key, _index(), n=4)
    close = list(dict.fromkeys(_index()[k].name for k in keys)) or _like(name)
    return f"did you mean: {', '.join(close)}" if close else "`anatomy gpus` lists them"
