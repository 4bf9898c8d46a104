"""The segments of a replay: what the allocator holds at some instant, and what lies where in it."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anatomy.memory.allocator import DeviceCall, Replay
from anatomy.memory.caching import LARGE_SEGMENT, SMALL_SEGMENT


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A part of a segment: one block, or one gap between blocks."""

    address: int
    bytes: int
    block_id: int | None
    """The block of the timeline that lies there; None for a gap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One cudaMalloc; of an expandable segment one range with memory behind it, as torch's snapshot has it."""

    address: int
    bytes: int
    large: bool
    """Of the large pool, or of the small one."""
    stretches: tuple[Stretch, ...]
    """In order and without holes."""

    @property
    def allocated_bytes(self) -> int:
        """What its blocks take."""
        return sum(stretch.bytes for stretch in self.stretches if stretch.block_id is not None)


def segments(replay: Replay, entries: int | None = None) -> tuple[Segment, ...]:
    """What is held after so many entries of the trace, by address.

    After all of them when left out; where memory ran out, that is after the cache was given back in vain.
    """
    blocks = deque(sorted(_alive(replay, entries), key=replay.block_address.__getitem__))
    found = []
    for start, end, large in _held(replay, entries):
        inside = []
        while blocks and replay.block_address[blocks[0]] < end:
            inside.append(blocks.popleft())
        stretches = tuple(_stretches(replay, inside, start, end))
        found.append(Segment(address=start, bytes=end - start, large=large, stretches=stretches))
    return tuple(found)


def _alive(replay: Replay, entries: int | None) -> list[int]:
    """The blocks in use that take any room."""
    alive: dict[int, None] = {}
    for entry in replay.timeline.trace[: len(replay.allocated)][:entries]:
        if entry >= 0:
            alive[entry] = None
        else:
            del alive[~entry]
    return [block for block in alive if replay.block_bytes[block]]


def _held(replay: Replay, entries: int | None) -> list[tuple[int, int, bool]]:
    """(start, end, whether of the large pool) of each segment, by address."""
    pieces: dict[int, tuple[int, bool]] = {}
    for call in replay.device_calls:
        if entries is not None and call.at >= entries:
            break
        end = call.address + abs(call.bytes)
        for address in range(call.address, end, _piece(replay, call)):
            if call.bytes > 0:
                pieces[address] = (address + _piece(replay, call), call.large)
            else:
                del pieces[address]
    held: list[tuple[int, int, bool]] = []
    for start, (end, large) in sorted(pieces.items()):
        if replay.expandable_segments and held and held[-1][1:] == (start, large):
            held[-1] = (held[-1][0], end, large)
        else:
            held.append((start, end, large))
    return held


def _piece(replay: Replay, call: DeviceCall) -> int:
    """Bytes that come and go together: the whole segment, or a page of an expandable one."""
    if not replay.expandable_segments:
        return abs(call.bytes)
    return LARGE_SEGMENT if call.large else SMALL_SEGMENT


def _stretches(replay: Replay, blocks: Iterable[int], start: int, end: int) -> Iterator[Stretch]:
    """The blocks, by address, and the gaps before, between and behind them."""
    for block in blocks:
        address = replay.block_address[block]
        if address > start:
            yield Stretch(address=start, bytes=address - start, block_id=None)
        yield Stretch(address=address, bytes=replay.block_bytes[block], block_id=block)
        start = address + replay.block_bytes[block]
    if end > start:
        yield Stretch(address=start, bytes=end - start, block_id=None)
