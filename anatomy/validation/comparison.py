"""A run's prediction beside its measurement. Every difference is predicted less measured.

Compared are the phases that both sides finished: of a run that ended out of memory, those before it did.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from anatomy.errors import RehearsalError
from anatomy.memory.allocator import OutOfMemory, Replay, replay
from anatomy.memory.footprint import Instant
from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.profiling.measurement import Measurement
from anatomy.profiling.record import Record
from anatomy.validation.caveats import disagreements, missing
from anatomy.validation.difference import Difference, PhaseDifference
from anatomy.validation.levels import Level, Place, finished, levels_of, readings_of
from anatomy.validation.sides import Side, Unit, side, without_loss


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileComparison:
    """Predicted beside measured."""

    unit: Unit
    """What bytes in use are on both sides."""
    peaks: tuple[Difference, ...]
    """'allocated'; on CUDA 'reserved', 'device' (reserved and context, by the driver's account) and 'context' as well."""
    phases: tuple[PhaseDifference, ...]
    """In order, loading first."""
    categories: tuple[Difference, ...]
    """Of the blocks alive at the peak, each side's at its own; in the vocabulary's order. Predicted, they add up to
    the predicted peak; measured, to the peak that the profiler saw."""
    predicted_at: Instant | None
    """When the predicted peak is reached; None where nothing was compared."""
    measured_at: Instant | None
    """When the measured one is, as the profiler saw it."""
    out_of_memory: OutOfMemory | None = None
    """Where the prediction ends on a device of this size, or None when it says that the run fits."""
    needed_bytes: int
    """What the whole predicted run needs: what it would hold without a limit and the context; on the CPU the most that
    it requests at once."""
    notes: tuple[str, ...] = ()
    """Where the two sides could not be compared as they are, and where the measurements disagree."""

    @property
    def levels(self) -> tuple[PhaseDifference, ...]:
        """The phases of loading and of the last step: what rests after each."""
        last = max((row.step for row in self.phases), default=0)
        return tuple(row for row in self.phases if row.step in (0, last))

    def peak(self, name: str) -> Difference | None:
        """A peak by its name, or None where it was not compared."""
        return next((figure for figure in self.peaks if figure.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "unit": self.unit,
            "peaks": {figure.name: figure.to_dict() for figure in self.peaks},
            "phases": [row.to_dict() for row in self.phases],
            "categories": [figure.to_dict() for figure in self.categories],
            "predicted_at": None if self.predicted_at is None else asdict(self.predicted_at),
            "measured_at": None if self.measured_at is None else asdict(self.measured_at),
            "predicted_out_of_memory": None if self.out_of_memory is None else asdict(self.out_of_memory),
            "needed_bytes": self.needed_bytes,
            "notes": list(self.notes),
        }


def unit_of(measurement: Measurement) -> Unit:
    """The unit in which a measurement's blocks in use are counted."""
    return "allocator" if measurement.machine.kind == "cuda" else "requested"


def loss_is_apart(record: Record) -> bool:
    """Whether both sides tell the loss from forward; the counters of a run without hooks cannot."""
    measurement = record.measurement
    read = {reading.phase for reading in measurement.phases} or _phases(measurement.observed)
    seen = _phases(measurement.observed) if measurement.observed.blocks else read
    return all(Phase.LOSS in phases for phases in (read, seen, _phases(record.prediction.timeline)))


def measured_side(record: Record) -> Side | None:
    """What the profiler saw; None where it did not watch. Raises RehearsalError for blocks that contradict themselves."""
    observed = record.measurement.observed
    if not observed.blocks:
        return None
    return side(replay(observed), unit_of(record.measurement), loss_apart=loss_is_apart(record))


def compare(record: Record) -> ProfileComparison:
    """Lay a record's prediction beside its measurement. Raises RehearsalError for a damaged timeline."""
    measurement, apart = record.measurement, loss_is_apart(record)
    observed = measured_side(record)
    ran, on_device, notes = _replays(record)
    predicted = side(ran, unit_of(measurement), loss_apart=apart)
    readings = readings_of(measurement, loss_apart=apart) or ({} if observed is None else levels_of(observed))
    rows = tuple(_rows(levels_of(predicted), finished(readings, measurement.failure)))
    until = _end(predicted, rows), _end(observed, rows)
    at = predicted.peak_index(until[0]), None if observed is None else observed.peak_index(until[1])
    return ProfileComparison(
        unit=unit_of(measurement),
        peaks=tuple(_peaks(record, rows)),
        phases=rows,
        categories=tuple(_categories(predicted, at[0], observed, at[1])),
        predicted_at=None if at[0] is None else predicted.instant(at[0]),
        measured_at=None if observed is None or at[1] is None else observed.instant(at[1]),
        out_of_memory=on_device.out_of_memory,
        needed_bytes=max(predicted.reserved or predicted.levels) + record.prediction.context_bytes,
        notes=(*notes, *disagreements(rows, observed, measurement), *missing(rows, readings, measurement)),
    )


def _replays(record: Record) -> tuple[Replay, Replay, tuple[str, ...]]:
    """(what is compared, the run on this device, notes). They differ where the prediction ends out of memory."""
    timeline, machine = record.prediction.timeline, record.measurement.machine
    last = max((reading.step for reading in record.measurement.phases), default=0)
    further = max(0, last - timeline.marks[-1].step) if timeline.marks else 0
    notes: tuple[str, ...] = ()
    try:
        unlimited = replay(timeline, repeat_last_step=further)
    except RehearsalError as error:
        if not further:
            raise
        further, notes = 0, (f"only the rehearsed steps are compared: {error.message}",)
        unlimited = replay(timeline)
    capacity = max(0, machine.memory_bytes - record.prediction.context_bytes)
    if machine.kind != "cuda" or unlimited.peak_reserved_bytes <= capacity:
        return unlimited, unlimited, notes
    limited = replay(timeline, repeat_last_step=further, capacity=capacity)
    if limited.out_of_memory is None:
        return limited, limited, (*notes, f"predicted to give cached memory back {limited.retries} times")
    return unlimited, limited, (*notes, "predicted figures are those of a device without a limit")


def _phases(timeline: Timeline) -> set[Phase]:
    return {mark.phase for mark in timeline.marks}


def _rows(predicted: Mapping[Place, Level], measured: Mapping[Place, Level]) -> Iterator[PhaseDifference]:
    """The phases that both sides have, in the measured order."""
    for place in measured:
        if place in predicted:
            mine, real = predicted[place], measured[place]
            yield PhaseDifference(
                step=place[0],
                phase=place[1],
                end=Difference(name="end", predicted_bytes=mine.end, measured_bytes=real.end),
                highest=Difference(name="highest", predicted_bytes=mine.highest, measured_bytes=real.highest),
                end_reserved=_held("end_reserved", mine.end_reserved, real.end_reserved),
                highest_reserved=_held("highest_reserved", mine.highest_reserved, real.highest_reserved),
            )


def _held(name: str, predicted: int | None, measured: int | None) -> Difference | None:
    if predicted is None or measured is None:
        return None
    return Difference(name=name, predicted_bytes=predicted, measured_bytes=measured)


def _peaks(record: Record, rows: Iterable[PhaseDifference]) -> Iterator[Difference]:
    rows = tuple(rows)
    if not rows:
        return
    yield _highest("allocated", [row.highest for row in rows])
    held = [row.highest_reserved for row in rows if row.highest_reserved is not None]
    if not held:
        return
    reserved = _highest("reserved", held)
    yield reserved
    measurement, context = record.measurement, record.prediction.context_bytes
    places = {(row.step, row.phase) for row in rows}
    used = [
        reading.device_used_bytes
        for reading in measurement.phases
        if (reading.step, without_loss(reading.phase)) in places or (reading.step, reading.phase) in places
    ]
    if known := [use for use in used if use is not None]:
        device = reserved.predicted_bytes + context
        yield Difference(name="device", predicted_bytes=device, measured_bytes=max(known))
    if measurement.context_bytes is not None:
        yield Difference(name="context", predicted_bytes=context, measured_bytes=measurement.context_bytes)


def _highest(name: str, figures: list[Difference]) -> Difference:
    return Difference(
        name=name,
        predicted_bytes=max(figure.predicted_bytes for figure in figures),
        measured_bytes=max(figure.measured_bytes for figure in figures),
    )


def _end(of: Side | None, rows: Iterable[PhaseDifference]) -> int:
    """The entry behind the last one that is compared."""
    places = {(row.step, row.phase) for row in rows}
    ends = [] if of is None else [spell.end for spell in of.spells if (spell.step, spell.phase) in places]
    return max(ends, default=0)


def _categories(
    predicted: Side, at: int | None, observed: Side | None, seen_at: int | None
) -> Iterator[Difference]:
    if at is None or observed is None or seen_at is None:
        return
    mine, real = predicted.by_category(at), observed.by_category(seen_at)
    for category in Category:
        if category in mine or category in real:
            yield Difference(
                name=category.value,
                predicted_bytes=mine.get(category, 0),
                measured_bytes=real.get(category, 0),
            )
