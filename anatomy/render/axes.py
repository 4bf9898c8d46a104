"""What stands beside and below a picture of memory: levels with their unit, phases, steps."""

from collections.abc import Iterator, Sequence

from anatomy.memory.levels import Span
from anatomy.memory.timeline import Phase
from anatomy.units import GIB, KIB, MIB

ROWS_PER_TICK = 3
"""Rows between two levels that are written down, at least."""
SHORT_NAMES: dict[Phase, tuple[str, ...]] = {
    Phase.LOAD: ("load", "l"),
    Phase.FORWARD: ("forward", "fwd", "f"),
    Phase.LOSS: ("loss", "L"),
    Phase.BACKWARD: ("backward", "bwd", "b"),
    Phase.CLIP: ("clip", "c"),
    Phase.OPTIMIZER: ("optimizer step", "optimizer", "opt", "o"),
    Phase.ZERO_GRAD: ("zero grad", "zero", "z"),
    Phase.EVALUATION: ("evaluation", "eval", "e"),
}
"""What a phase is called, the longest first, for where there is less room."""
_UNITS = ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"), (1, "B"))


def unit_of(top: int) -> tuple[int, str]:
    """The unit that a level of `top` bytes is written in: (bytes, name)."""
    return next(row for row in _UNITS if top >= row[0] or row[0] == 1)


def ticks(top: int, rows: int) -> dict[int, str]:
    """Row, counted from below, -> the level that lies in it, for a picture of so many rows and `top` bytes."""
    unit, _ = unit_of(top)
    step = _round_step(top / unit / max(1, rows // ROWS_PER_TICK))
    levels = [step * number for number in range(int(top / unit / step) + 1)]
    return {min(rows - 1, int(level * unit * rows / top)): f"{level:.4g}" for level in levels}


def phase_labels(spans: Sequence[Span]) -> Iterator[tuple[int, str]]:
    """(column, name) of each phase that is wide enough for one; a column stays free between two."""
    for span in spans:
        room = span.last - span.first - 1
        name = next((name for name in SHORT_NAMES[span.mark.phase] if len(name) <= room), "")
        if name:
            yield span.first, name


def step_labels(spans: Sequence[Span]) -> Iterator[tuple[int, str]]:
    """(column, name) of each step that is wide enough for one; loading is none."""
    ends = {span.mark.step: span.last for span in spans}
    starts = {span.mark.step: span.first for span in reversed(spans)}
    for step, last in ends.items():
        room = last - starts[step] - 1
        name = next((name for name in (f"step {step}", str(step)) if len(name) <= room), "")
        if step and name:
            yield starts[step], name


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below `least`."""
    power = 1e-6
    while 10 * power < least:
        power *= 10
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least or factor == 10)
