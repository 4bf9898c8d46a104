"""A planned run, module by module: what each takes at the peak, what it computes, what of it is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from anatomy.memory.timeline import Category


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldParameter:
    """A parameter as the run holds it on the device."""

    name: str
    """Its name inside its module: 'weight', or of an adapter 'lora_A.default.weight'."""
    shape: tuple[int, ...]
    """As the run holds it: packed where it is quantized."""
    dtype: str
    """torch's name, e.g. 'bfloat16'; 'uint8' where 4-bit weights are packed."""
    trainable: bool
    """Whether it gets a gradient."""
    adapter: bool
    """Whether a method added it."""

    def to_dict(self) -> dict[str, Any]:
        """One entry of `held`."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "trainable": self.trainable,
            "adapter": self.adapter,
        }


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
