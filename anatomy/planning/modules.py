"""A planned run, module by module: what each takes at the peak, what it computes, what of it is trained."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from anatomy.memory.alive import alive_at
from anatomy.memory.allocator import Replay
from anatomy.memory.held import HeldParameter
from anatomy.memory.timeline import Category

__all__ = ["HeldParameter", "ModuleShare", "Owned", "module_shares"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleShare:
    """One module's own part of a run; what modules inside it take is theirs."""

    peak: Mapping[Category, int] = field(default_factory=lambda: MappingProxyType({}))
    """Category -> bytes of its blocks that are in use at the allocated peak, as the allocator rounds them."""
    flops: int = 0
    """Floating-point operations of its forward and backward in one optimizer step, a multiply-add as two."""
    recomputed_flops: int = 0
    """The same, of forward run again because of gradient checkpointing."""
    held: tuple[HeldParameter, ...] = ()
    """Its parameters in this run; adapters belong to the module that they are put on."""

    @property
    def peak_bytes(self) -> int:
        """Bytes in use at the peak, all categories."""
        return sum(self.peak.values())

    def to_dict(self) -> dict[str, Any]:
        """One entry of `modules` in `plan --by-module --json`, its path aside."""
        return {
            "peak": {category.value: size for category, size in self.peak.items()},
            "flops": self.flops,
            "recomputed_flops": self.recomputed_flops,
            "held": [parameter.to_dict() for parameter in self.held],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """What a rehearsal tells of the modules that ran."""

    owners: Mapping[str, str]
    """Path of a module as it runs, inside a method's wrappers -> the bare model's module that it belongs to."""
    flops: Mapping[str, tuple[int, int]]
    """Path of a module as it runs -> its floating-point operations in one optimizer step, and those run again."""
    held: Mapping[str, tuple[HeldParameter, ...]]
    """The bare model's module -> the parameters that it holds."""
    unfused: tuple[str, ...] = ()
    """Names of no module by which fused experts are targets, as 'all-linear' has them among its own."""


def module_shares(replay: Replay, index: int | None, owned: Owned) -> dict[str, ModuleShare]:
    """Each module's own share of a run, by its path in the bare model; '' for what no module owns.

    `index`: the entry of the replayed trace after which blocks are counted, None for none of them. Their sum is
    `replay.allocated[index]`.
    """
    peak: defaultdict[str, defaultdict[Category, int]] = defaultdict(lambda: defaultdict(int))
    for group in () if index is None else alive_at(replay, index):
        peak[owned.owners.get(group.module or "", "")][group.category] += group.bytes
    flops: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for path, (once, again) in owned.flops.items():
        so_far = flops[owned.owners.get(path, "")]
        flops[owned.owners.get(path, "")] = so_far[0] + once, so_far[1] + again
    return {
        path: ModuleShare(
            peak=dict(peak.get(path, {})),
            flops=flops[path][0],
            recomputed_flops=flops[path][1],
            held=owned.held.get(path, ()),
        )
        for path in dict.fromkeys((*owned.held, *peak, *list(flops)))
    }
