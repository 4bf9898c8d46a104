"""Forecast: what a rehearsal of the model at hand says about this device."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from anatomy.alone import alone
from anatomy.api import REHEARSED_ON
from anatomy.hardware.catalog import Gpu, lookup
from anatomy.hardware.detect import detect
from anatomy.memory.allocator import OutOfMemory, replay
from anatomy.memory.footprint import Footprint, footprint
from anatomy.planning.plan import steady_state
from anatomy.planning.words import where
from anatomy.rehearsal.cast import Cast
from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.rehearse import rehearse_cast

PREFIX = "memory/"
"""Of every metric, so that loggers show them together and apart from the user's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What the training that is about to start will need."""

    footprint: Footprint
    """Of the steady state, on a device without a limit."""
    device: str
    """The GPU whose kernels were rehearsed."""
    context_bytes: int
    """Assumed memory of that GPU's context and libraries."""
    room_bytes: int | None
    """What torch's allocator can hold on this machine's GPU, with what it holds now; None without a GPU."""
    out_of_memory: OutOfMemory | None
    """Where the run would end in that room; None where it would not, or where there is no GPU."""
    total_parameters: int
    trainable_parameters: int
    assumptions: tuple[str, ...]
    not_modelled: tuple[str, ...]
    versions: Mapping[str, str]
    """Installed versions of the libraries that were rehearsed."""

    @property
    def peak_allocated_bytes(self) -> int:
        """Blocks in use at most: torch.cuda.max_memory_allocated()."""
        return self.footprint.peak_allocated_bytes

    @property
    def peak_reserved_bytes(self) -> int:
        """Held by the allocator at most: torch.cuda.max_memory_reserved()."""
        return self.footprint.peak_reserved_bytes

    @property
    def device_bytes(self) -> int:
        """Reserved and the context: what nvidia-smi will show for the process."""
        return self.footprint.device_bytes(self.context_bytes)

    @property
    def headroom_bytes(self) -> int | None:
        """What stays free on this machine's GPU, negative by how much it lacks; None without a GPU."""
        return None if self.room_bytes is None else self.room_bytes - self.peak_reserved_bytes

    @property
    def peak_words(self) -> str:
        """Where the allocated peak is: 'in backward of step 2, in lm_head (aten.mm)'."""
        instant = self.footprint.instant
        return where(instant.phase, instant.step, instant.module, instant.op) if instant else "nowhere"

    def metrics(self) -> dict[str, float]:
        """For a logger: bytes by name."""
        named = {
            "predicted_peak_allocated_bytes": self.peak_allocated_bytes,
            "predicted_peak_reserved_bytes": self.peak_reserved_bytes,
            "predicted_device_bytes": self.device_bytes,
            "predicted_headroom_bytes": self.headroom_bytes,
        }
        return {PREFIX + name: value for name, value in named.items() if value is not None}


@alone
def forecast(cast: Cast, component_of: Callable[[str], str], gpu: str | None) -> Forecast:
    """Rehearse `cast` with the kernels of the GPU named, else of this machine's, else of an A100.

    Raises RecipeError for a GPU that is not in the catalog, RehearsalError where the truth depends on data.
    """
    here = detect(torch.cuda.current_device()) if torch.cuda.is_available() else None
    asked = here if gpu is None else lookup(gpu)
    stands_for = asked if asked is not None and asked.vendor == "NVIDIA" else lookup(REHEARSED_ON)
    rehearsal = rehearse_cast(cast, component_of=component_of, target=_target(stands_for))
    unlimited, notes = steady_state(rehearsal.timeline)
    room = None if here is None or gpu is not None else _room()
    fits = room is None or room >= unlimited.peak_reserved_bytes
    return Forecast(
        footprint=footprint(unlimited.timeline, unlimited),
        device=stands_for.name,
        context_bytes=stands_for.context_bytes,
        room_bytes=room,
        out_of_memory=None if fits else replay(rehearsal.timeline, capacity=room).out_of_memory,
        total_parameters=rehearsal.total_parameters,
        trainable_parameters=rehearsal.trainable_parameters,
        assumptions=(*rehearsal.assumptions, *notes, *_assumed(stands_for, asked)),
        not_modelled=rehearsal.not_modelled,
        versions=rehearsal.versions,
    )


def _target(gpu: Gpu) -> Target:
    major, minor = gpu.compute_capability.split(".")
    return Target(capability=(int(major), int(minor)), multiprocessors=gpu.multiprocessors)


def _room() -> int:
    """What the allocator holds and what the driver has left: the context, and other processes, are not in it."""
    free, _ = torch.cuda.mem_get_info()
    return int(free) + int(torch.cuda.memory_reserved())


def _assumed(stands_for: Gpu, asked: Gpu | None) -> tuple[str, ...]:
    capability = f"compute capability {stands_for.compute_capability}"
    if asked is not None and asked != stands_for:
        other = f"; those of the {asked.name} are not known"
    else:
        other = "" if asked is not None else ", as there is no GPU here and none was named"
    return (
        f"kernels and workspaces are those of the {stands_for.name} ({capability}){other}",
        "the CUDA context and libraries take what public measurements suggest (`anatomy gpus`)",
    )
