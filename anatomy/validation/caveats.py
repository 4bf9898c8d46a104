"""What a reader of a comparison should know: where measurements disagree, and what could not be compared."""

from collections.abc import Iterable, Iterator, Mapping

from anatomy.profiling.measurement import Measurement
from anatomy.units import format_bytes
from anatomy.validation.difference import PhaseDifference
from anatomy.validation.levels import Level, Place, finished, levels_of
from anatomy.validation.sides import Side


def disagreements(
    rows: Iterable[PhaseDifference], observed: Side | None, measurement: Measurement
) -> Iterator[str]:
    """Where the profiler's blocks do not add up to the counters."""
    if observed is None:
        yield "the profiler did not watch: no categories, instants or residual list of the measured side"
        return
    if not measurement.phases:
        yield "no counters were read: measured levels are the sums of the blocks that the profiler saw"
        return
    seen = levels_of(observed)
    gaps = [
        (figure.measured_bytes - level, row, words)
        for row in rows
        if (found := seen.get((row.step, row.phase)))
        for figure, level, words in (
            (row.end, found.end, "at the end"),
            (row.highest, found.highest, "at most"),
        )
    ]
    gap, row, words = max(gaps, key=lambda found: abs(found[0]), default=(0, None, ""))
    if gap and row is not None:
        more = "more" if gap > 0 else "less"
        yield (
            f"the counters say up to {format_bytes(abs(gap))} {more} than the blocks that the profiler saw "
            f"({row.phase.value} of step {row.step}, {words}): levels are the counters', categories and the "
            "residual list the profiler's"
        )


def missing(
    rows: Iterable[PhaseDifference], readings: Mapping[Place, Level], measurement: Measurement
) -> Iterator[str]:
    compared = {(row.step, row.phase) for row in rows}
    absent = [place for place in finished(readings, measurement.failure) if place not in compared]
    if absent:
        named = ", ".join(f"{phase.value} of step {step}" for step, phase in absent)
        yield f"measured but not predicted, hence not compared: {named}"
