"""Whether a model and its cache fit on a GPU, and how long a context does."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from anatomy.hardware.catalog import Gpu
from anatomy.inference.cache import CacheDType, KvCache

ENDLESS = 1 << 24
"""Contexts are not looked for beyond so many tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What is to be served."""

    weight_bytes: int
    weights: str
    """In which format the weights are counted, in words."""
    cache: KvCache
    dtype: CacheDType
    context: int
    """Tokens of each sequence."""
    batch: int
    """Sequences at once."""
    longest: int | None
    """Longest context that the model's config states."""
    context_said: bool = True
    """Whether the user gave the context; else it is the config's."""
    checkpoint_bytes: int | None = None
    """The same weights in the checkpoint's own format, where `weight_bytes` is in another; None where it is not known."""
    checkpoint: str = ""
    """The name of that format."""

    @property
    def cache_bytes(self) -> int:
        """Bytes of the cache of all sequences."""
        return self.cache.bytes_for(self.context, self.batch, self.dtype)


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """The load on one GPU."""

    gpu: str
    memory_bytes: int
    """What a process can allocate on it."""
    left_bytes: int
    """What is left of it by the CUDA context, the weights and the cache; negative where they do not fit."""
    context: int
    """Longest context with as many sequences at once; 0 where the weights alone do not fit."""
    nominal: bool = False
    """True when `memory_bytes` is only the figure on the box: less will be usable."""
    checkpoint: "Served | None" = None
    """The same with the weights in the checkpoint's own format; None where the load names none."""

    @property
    def fits(self) -> bool:
        """Whether weights and cache fit. The engine's own buffers and activations come on top."""
        return self.left_bytes >= 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "gpu": self.gpu,
            "memory_bytes": self.memory_bytes,
            "left_bytes": self.left_bytes,
            "fits": self.fits,
            "longest_context": self.context,
            **({"checkpoint": self.checkpoint.to_dict()} if self.checkpoint else {}),
        }


def served(load: Load, gpus: Iterable[Gpu]) -> tuple[Served, ...]:
    """The load on each GPU."""
    return tuple(_on(load, gpu) for gpu in gpus)


def _on(load: Load, gpu: Gpu) -> Served:
    free = gpu.memory_bytes - gpu.context_bytes - load.weight_bytes
    own = load.checkpoint_bytes
    return Served(
        gpu=gpu.name,
        memory_bytes=gpu.memory_bytes,
        left_bytes=free - load.cache_bytes,
        context=_longest(load, free),
        nominal=gpu.nominal,
        checkpoint=None if own is None else _on(replace(load, weight_bytes=own, checkpoint_bytes=None), gpu),
    )


def _longest(load: Load, free: int) -> int:
    """The longest context whose cache fits into `free` bytes, no longer than the model's own or the asked one: by halving."""
    low, high = 0, max(load.longest or ENDLESS, load.context)
    if load.cache.bytes_for(0, load.batch, load.dtype) > free:
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        if load.cache.bytes_for(middle, load.batch, load.dtype) <= free:
            low = middle
        else:
            high = middle - 1
    return low
