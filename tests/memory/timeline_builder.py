"""Timelines written as scripts, for tests."""

from collections.abc import Iterable

from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline

MIB = 1 << 20


def build(*script: object) -> Timeline:
    """('name', bytes) or ('name', Block): born; 'name': freed; (Phase, step): a phase begins (load, 0 if missing)."""
    blocks: list[Block] = []
    trace: list[int] = []
    marks: list[Mark] = []
    alive: dict[object, int] = {}
    steps: Iterable[object] = script if script and _is_mark(script[0]) else ((Phase.LOAD, 0), *script)
    for item in steps:
        if _is_mark(item):
            marks.append(Mark(at=len(trace), phase=item[0], step=item[1]))
        elif isinstance(item, tuple):
            name, what = item
            alive[name] = len(blocks)
            trace.append(len(blocks))
            blocks.append(
                what if isinstance(what, Block) else Block(bytes=what, category=Category.TEMPORARIES)
            )
        else:
            trace.append(~alive.pop(item))
    return Timeline(blocks=tuple(blocks), trace=tuple(trace), marks=tuple(marks))


def _is_mark(item: object) -> bool:
    return isinstance(item, tuple) and isinstance(item[0], Phase)
