"""More steps than were recorded: the last one, again and again."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace

from anatomy.errors import RehearsalError
from anatomy.memory.timeline import Block, Mark, Timeline

_LIKENESS: tuple[Callable[[Block], Hashable], ...] = (
    lambda block: block,
    lambda block: (block.bytes, block.category),
    lambda block: block.bytes,
)
"""How alike two blocks are, strictest first. Every grade asks for equal bytes."""


def repeat_last_step(timeline: Timeline, times: int) -> Timeline:
    """The timeline with its last training step run `times` more times.

    The blocks of each repetition get fresh ids. A step may free blocks that an earlier step left (the last
    batch, a state that is replaced) and leave blocks of its own. The repetition frees, in place of each
    inherited block, the one that the step before it left: the like block in every respect, else one of the
    same bytes and category, else one of the same bytes; the oldest first. When what the step leaves and what
    it inherited and freed do not pair up, the next step would not be this step again. Then RehearsalError is
    raised.
    """
    if times < 0:
        raise ValueError(f"times is {times}, but must be at least 0")
    if times == 0:
        return timeline
    last = timeline.marks[-1].step
    if last == 0:
        raise RehearsalError("There is no training step to repeat: the timeline ends with loading.")
    marks = [mark for mark in timeline.marks if mark.step == last]
    start = marks[0].at
    step = timeline.trace[start:]
    heir = _heirs(timeline, step)
    blocks, trace, all_marks = list(timeline.blocks), list(timeline.trace), list(timeline.marks)
    name = {entry: entry for entry in step if entry >= 0}
    for repetition in range(1, times + 1):
        before, offset = name, len(trace) - start
        name = {}
        for entry in step:
            if entry >= 0:
                name[entry] = len(blocks)
                blocks.append(timeline.blocks[entry])
                trace.append(name[entry])
            else:
                trace.append(~(name[~entry] if ~entry in name else before[heir[~entry]]))
        all_marks += [Mark(at=m.at + offset, phase=m.phase, step=last + repetition) for m in marks]
    return replace(timeline, blocks=tuple(blocks), trace=tuple(trace), marks=tuple(all_marks))


def _heirs(timeline: Timeline, step: Iterable[int]) -> dict[int, int]:
    """Each block that the step freed but did not make -> the block it left that takes its place."""
    born: dict[int, None] = {}
    inherited: list[int] = []
    for entry in step:
        if entry >= 0:
            born[entry] = None
        elif ~entry in born:
            del born[~entry]
        else:
            inherited.append(~entry)
    left = list(born)
    heirs: dict[int, int] = {}
    for likeness in _LIKENESS:
        waiting: defaultdict[Hashable, list[int]] = defaultdict(list)
        for survivor in reversed(left):
            waiting[likeness(timeline.blocks[survivor])].append(survivor)
        for old in sorted(set(inherited) - set(heirs)):
            if alike := waiting[likeness(timeline.blocks[old])]:
                heirs[old] = alike.pop()
        left = [survivor for survivor in left if survivor not in set(heirs.values())]
    if left or len(heirs) < len(inherited):
        stays = sum(timeline.blocks[b].bytes for b in left)
        goes = sum(timeline.blocks[b].bytes for b in inherited if b not in heirs)
        raise RehearsalError(
            f"The last step cannot be repeated: it leaves {stays} B that it did not find and frees {goes} B "
            "that it does not leave again.",
            hint="record one step more; the first steps still create optimizer states and caches",
        )
    return heirs
