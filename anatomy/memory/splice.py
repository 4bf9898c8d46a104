"""Splice: a run's timeline with the optimizer of another record in it.

Forward and backward do not see the optimizer, and the optimizer does not see the batch: each is recorded once and
the two are put together, entry by entry, to what a record of both would have been.
"""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import pairwise

from anatomy.memory.timeline import Block, Mark, Phase, Timeline

REPLACED = frozenset({Phase.CLIP, Phase.OPTIMIZER})
"""The phases that belong to the optimizer. Clipping is one: under fp16-mixed it makes what the optimizer's step frees."""


class InseparableError(ValueError):
    """A run and its optimizer hold blocks of each other, so that only a record of both tells."""


def leave_out(timeline: Timeline, given: AbstractSet[int]) -> Timeline:
    """The optimizer's record without the blocks that were the run's: weights, gradients.

    Raises InseparableError where one of them ends while it is the optimizer's turn.
    """
    trace: list[int] = []
    marks: list[Mark] = []
    for mark, entries in _segments(timeline):
        if mark.phase is not Phase.ZERO_GRAD and any(entry < 0 and ~entry in given for entry in entries):
            raise InseparableError("the optimizer replaces weights or gradients")
        marks.append(replace(mark, at=len(trace)))
        trace += (entry for entry in entries if (entry if entry >= 0 else ~entry) not in given)
    return replace(timeline, trace=tuple(trace), marks=tuple(marks))


def splice(run: Timeline, made_at: int, optimizer: Timeline) -> Timeline:
    """`run` with the optimizer phases of `optimizer`, and with what that one loads from entry `made_at` on.

    `run`: a record whose own optimizer made nothing that outlives its phases. `optimizer`: a record of loading an
    optimizer and of the phases in `REPLACED`, of as many steps. Blocks are numbered as they are born, as in any record.

    Raises InseparableError where one of them frees a block of the other's, or lives on in the other's phases.
    """
    _check_passing(run)
    joint = _Joint()
    parts = {(mark.phase, mark.step): entries for mark, entries in _segments(optimizer)}
    if any(entries for (phase, _), entries in parts.items() if phase not in (*REPLACED, Phase.LOAD)):
        raise InseparableError("the optimizer's blocks outlive its phases")
    for mark, entries in _segments(run):
        joint.marks.append(Mark(at=len(joint.trace), phase=mark.phase, step=mark.step))
        if mark.phase in REPLACED:
            joint.play(optimizer, parts[mark.phase, mark.step])
        elif mark.phase is Phase.LOAD:
            joint.play(run, entries[:made_at])
            joint.play(optimizer, parts[Phase.LOAD, mark.step])
            joint.play(run, entries[made_at:])
        else:
            joint.play(run, entries)
    return replace(run, blocks=tuple(joint.blocks), trace=tuple(joint.trace), marks=tuple(joint.marks))


class _Joint:
    """The record that is put together."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.trace: list[int] = []
        self.marks: list[Mark] = []
        self._number: dict[tuple[int, int], int] = {}

    def play(self, source: Timeline, entries: tuple[int, ...]) -> None:
        """Append entries of a record, its blocks renumbered."""
        number, side, blocks = self._number, id(source), source.blocks
        for entry in entries:
            if entry >= 0:
                number[side, entry] = len(self.blocks)
                self.trace.append(len(self.blocks))
                self.blocks.append(blocks[entry])
            else:
                found = number.get((side, ~entry))
                if found is None:
                    raise InseparableError("the run frees what its optimizer made")
                self.trace.append(~found)


def _segments(timeline: Timeline) -> list[tuple[Mark, tuple[int, ...]]]:
    """Each phase with its entries."""
    ends = [*(mark.at for mark in timeline.marks), len(timeline.trace)]
    return [
        (mark, timeline.trace[start:end])
        for mark, (start, end) in zip(timeline.marks, pairwise(ends), strict=True)
    ]


def _check_passing(run: Timeline) -> None:
    """Raises InseparableError when phases that are to be replaced free what they did not make."""
    born: set[int] = set()
    for mark, entries in _segments(run):
        for entry in entries if mark.phase in REPLACED else ():
            if entry >= 0:
                born.add(entry)
            elif ~entry not in born:
                raise InseparableError("blocks of the run end while it is the optimizer's turn")
