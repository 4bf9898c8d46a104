"""Levels phase by phase: those that counters were read at, and those that a replayed timeline has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from anatomy.memory.timeline import Phase
from anatomy.profiling.measurement import Failure, Measurement, PhaseReading
from anatomy.validation.sides import Side, without_loss

T = TypeVar("T")
Place = tuple[int, Phase]
"""A phase of a step; step 0 is loading."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """Bytes in use and held in one phase of one step; of several micro-batches, at the end of the last."""

    end: int
    highest: int
    end_reserved: int | None
    """None where no caching allocator is at work."""
    highest_reserved: int | None


def levels_of(side: Side) -> dict[Place, Level]:
    """A side's levels, in order."""
    found: dict[Place, Level] = {}
    for spell in side.spells:
        held = side.reserved
        level = Level(
            end=side.levels[spell.end],
            highest=max(side.levels[spell.start : spell.end + 1]),
            end_reserved=None if held is None else held[spell.end],
            highest_reserved=None if held is None else max(held[spell.start : spell.end + 1]),
        )
        _add(found, (spell.step, spell.phase), level)
    return found


def readings_of(measurement: Measurement, *, loss_apart: bool) -> dict[Place, Level]:
    """The counters' levels, in order."""
    found: dict[Place, Level] = {}
    for reading in measurement.phases:
        phase = reading.phase if loss_apart else without_loss(reading.phase)
        _add(found, (reading.step, phase), _read(reading))
    return found


def finished(levels: Mapping[Place, T], failure: Failure | None) -> dict[Place, T]:
    """What is known of each phase, in order, without the phase in which the run ended, and what came of it."""
    if failure is None:
        return dict(levels)
    failed = (failure.step, failure.phase), (failure.step, without_loss(failure.phase))
    places = list(levels)
    stop = next((n for n, place in enumerate(places) if place in failed), len(places))
    return {place: levels[place] for place in places[:stop]}


def _read(reading: PhaseReading) -> Level:
    return Level(
        end=reading.end_allocated_bytes,
        highest=reading.peak_allocated_bytes,
        end_reserved=reading.end_reserved_bytes,
        highest_reserved=reading.peak_reserved_bytes,
    )


def _add(found: dict[Place, Level], place: Place, level: Level) -> None:
    """A later stretch of a phase ends it anew."""
    before = found.get(place, level)
    held = [h for h in (before.highest_reserved, level.highest_reserved) if h is not None]
    found[place] = Level(
        end=level.end,
        highest=max(before.highest, level.highest),
        end_reserved=level.end_reserved,
        highest_reserved=max(held, default=None),
    )
