"""What a rehearsal gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from anatomy.memory.held import HeldParameter
from anatomy.memory.timeline import Timeline
from anatomy.rehearsal.flops import Flops, total

PAGES = "pages of a paged optimizer's states that are on the device while it steps"


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What comes up while a run, or an optimizer alone, is rehearsed, beside its blocks."""

    asked: tuple[str, ...]
    """Questions about data and what was assumed for an answer."""
    unknown: Mapping[str, str]
    """Operator whose scratch is not known -> why."""
    paged: tuple[int, int]
    """Bytes of paged optimizer states, and the most that are touched at once."""
    flops: Mapping[str, Flops]
    """Of the last rehearsed step, by the path of the module at work, as it runs."""

    @property
    def not_modelled(self) -> tuple[str, ...]:
        """What is missing because of that, in words."""
        scratch = tuple(f"scratch of {op}: {reason}" for op, reason in self.unknown.items())
        return (*scratch, PAGES) if self.paged[0] else scratch

    def joined(self, other: "Seen") -> "Seen":
        """What came up here, and then there."""
        paths = dict.fromkeys((*self.flops, *other.flops))
        nothing = Flops(model=0, recomputed=0)
        return Seen(
            asked=tuple(dict.fromkeys((*self.asked, *other.asked))),
            unknown={**self.unknown, **other.unknown},
            paged=other.paged if other.paged[0] else self.paged,
            flops={
                path: total((self.flops.get(path, nothing), other.flops.get(path, nothing))) for path in paths
            },
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """What a rehearsed run did, and what had to be assumed."""

    timeline: Timeline
    total_parameters: int
    """Parameters of the model with its adapters; tied ones once, quantized ones at their logical number."""
    trainable_parameters: int
    targets: tuple[str, ...]
    """Last names of the modules that got adapters, e.g. ('down_proj', 'q_proj')."""
    unfused: tuple[str, ...] = ()
    """Names by which PEFT adapts fused experts: `anatomy.training.adapters.unfused_names`."""
    assumptions: tuple[str, ...]
    not_modelled: tuple[str, ...]
    versions: Mapping[str, str]
    """Installed versions of the libraries that were rehearsed."""
    flops: Flops
    """Of one optimizer step, all its micro-batches together."""
    paged_bytes: int = 0
    """Optimizer states in unified memory, off the device until they are touched."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Path of a module as it runs -> the bare model's module that it belongs to (`AdaptedNames.owner`)."""
    module_flops: Mapping[str, Flops] = field(default_factory=dict)
    """`flops` by the path of the module at work, as it runs."""
    held: Mapping[str, tuple[HeldParameter, ...]] = field(default_factory=dict)
    """The bare model's module -> the parameters that it holds in this run, adapters among them; tied ones once."""
