"""Whether a run has room on this machine, and the smallest change with which it would."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anatomy.api.description import Progress
from anatomy.api.staged import Staged, stage
from anatomy.blueprint import Blueprint
from anatomy.planning.smaller import Layers, Smaller, does_not_fit, smaller
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.profiling.measurement import Machine
    from anatomy.profiling.record import Prediction


CPU_MARGIN = 8
"""One part in so many of the free memory is left for what is not predicted: kernels' scratch, the profiler, Python."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What this machine can give to a run."""

    machine: "Machine"
    bytes: int
    """What the allocator can get at most."""

    def needed(self, prediction: "Prediction") -> int | None:
        """What the run takes of it (held memory on a GPU, blocks in use on the CPU); None where it is too much."""
        from anatomy.memory.allocator import replay

        if self.machine.kind == "cpu":
            peak = self.unlimited(prediction)
            return peak if peak <= self.bytes else None
        replayed = replay(prediction.timeline, capacity=self.bytes)
        return None if replayed.out_of_memory else replayed.peak_reserved_bytes

    def unlimited(self, prediction: "Prediction") -> int:
        """What the run would take of a device without a limit."""
        from anatomy.memory.allocator import replay

        replayed = replay(prediction.timeline)
        return replayed.peak_requested_bytes if self.machine.kind == "cpu" else replayed.peak_reserved_bytes


def room_on(machine: "Machine", used_before: int) -> Room:
    """What is free now, less what the context is still expected to grow by."""
    from anatomy.profiling.machine import free_bytes
    from anatomy.profiling.predict import expected_context

    free = free_bytes(machine)
    if machine.kind == "cpu":
        return Room(machine=machine, bytes=free - free // CPU_MARGIN)
    taken = machine.memory_bytes - free - used_before
    return Room(machine=machine, bytes=free - max(0, expected_context(machine) - taken))


def check_room(staged: Staged, prediction: "Prediction", room: Room, tell: Progress) -> None:
    """Raises RecipeError, with the smallest change that would do, for a run that cannot fit."""
    if room.needed(prediction) is None:
        tell("it does not fit: looking for a change with which it would")
        change = smallest_change(staged, room)
        raise does_not_fit(room.unlimited(prediction), room.bytes, room.machine.name, change)


def smallest_change(staged: Staged, room: Room) -> Smaller | None:
    """The smallest change of the recipe, or of the model's depth, with which the run fits; each is rehearsed."""
    from anatomy.profiling.predict import predict
    from anatomy.source.overrides import apply_overrides

    def needs(recipe: Recipe, overrides: Mapping[str, Any]) -> int | None:
        again = stage(
            apply_overrides(staged.blueprint, overrides),
            recipe,
            frozenset(recipe.to_dict()),
            trust_remote_code=staged.trust_remote_code,
        )
        return room.needed(predict(again.skeleton.model, again.recipe, room.machine, again.component_of))

    return smaller(staged.recipe, needs, layers=_layers(staged.blueprint))


def _layers(blueprint: Blueprint) -> Layers | None:
    """The fact of the config that says how many layers the text part has, where one does."""
    from anatomy.architecture.facts import ALIASES

    config = blueprint.config or {}
    nested = next((key for key in _TEXT_PARTS if isinstance(config.get(key), Mapping)), None)
    part = config if nested is None else config[nested]
    key = next((key for key in ALIASES["layers"] if isinstance(part.get(key), int)), None)
    if key is None or part[key] < 2:
        return None
    return Layers(setting=key if nested is None else f"{nested}.{key}", count=part[key])


_TEXT_PARTS = ("text_config", "llm_config", "language_config")
