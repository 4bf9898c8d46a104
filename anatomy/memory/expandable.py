"""The caching allocator with `PYTORCH_ALLOC_CONF=expandable_segments:True`.

Each pool is one segment of address space that memory is mapped into as it is needed, in granules of 2 MiB
(small pool) and 20 MiB (large pool), and unmapped from again when memory runs out. Restates
`ExpandableSegment`, `try_allocate_expandable_block`, `map_block` and `unmap_block` of pytorch's
c10/cuda/CUDACachingAllocator.cpp.

The address space of a segment is not limited here; torch reserves 1 1/8 times the device's memory and starts
a second segment when holes use that up.
"""

from bisect import bisect_left, insort

from anatomy.memory.caching import (
    LARGE_SEGMENT,
    MIN_BLOCK,
    SMALL_SEGMENT,
    CachingAllocator,
    Chunk,
    Pool,
    Witness,
)

_ADDRESS_SPACE = LARGE_SEGMENT << 27
"""Far more than any device has (2.5 PiB), so that the end is never reached; whole granules of both pools. Two of
them stay below 2^53, up to where a viewer that keeps addresses as floats knows them exactly."""


class ExpandableAllocator(CachingAllocator):
    """Blocks out of two segments that grow."""

    def __init__(self, capacity: int | None = None, witness: Witness | None = None) -> None:
        super().__init__(capacity, witness)
        self.large = Pool(LARGE_SEGMENT)
        self.small = Pool(SMALL_SEGMENT, start=_ADDRESS_SPACE)

    def _best_fit(self, pool: Pool, size: int) -> Chunk | None:
        """A chunk that memory can be mapped behind counts as large as it can become (`get_free_block`)."""
        chunks = pool.chunks
        at = bisect_left(chunks, (size,))
        if at == len(chunks):
            return None
        while at + 1 < len(chunks) and _room(chunks[at + 1][2]) < _room(chunks[at][2]):
            at += 1
        return chunks.pop(at)[2]

    def _splits(self, chunk: Chunk, size: int) -> bool:
        return chunk.size - size >= MIN_BLOCK

    def _grow(self, pool: Pool, size: int) -> Chunk | None:
        """Map memory at the lowest address with room for the request (`try_allocate_expandable_block`)."""
        chunk = self._lowest_room(pool, size)
        if not chunk.mapped and not self._map(chunk, min(chunk.size, size)):
            return None
        while chunk.size < size:
            hole = chunk.next
            assert hole is not None
            if not self._map(hole, min(size - chunk.size, hole.size)):
                return None
            chunk = hole  # merged: the hole now begins where the chunk began
        pool.remove(chunk)
        return chunk

    def empty_cache(self) -> None:
        """Unmap every granule without a block in use (`release_blocks`)."""
        for pool in (self.large, self.small):
            for _, _, chunk in tuple(pool.chunks):
                self._unmap(chunk)

    def _lowest_room(self, pool: Pool, size: int) -> Chunk:
        """First of a run of free and unmapped chunks with `size` bytes in all (`find_expandable_block`)."""
        if not pool.unmapped:
            hole = Chunk(pool, pool.start, _ADDRESS_SPACE, mapped=False)
            insort(pool.unmapped, (hole.address, hole))
        for _, hole in pool.unmapped:
            start = hole.prev if hole.prev is not None and not hole.prev.in_use else hole
            found, chunk = start.size, start.next
            while found < size and chunk is not None and not chunk.in_use:
                found, chunk = found + chunk.size, chunk.next
            if found >= size:
                return start
        raise AssertionError("address space is not limited")

    def _map(self, hole: Chunk, size: int) -> bool:
        """Put memory behind the start of a hole, in whole granules; False when the device has none left."""
        pool = hole.pool
        taken = -(-size // pool.granule) * pool.granule
        if self.capacity is not None and self.reserved + taken > self.capacity:
            return False
        self._forget(hole)
        hole.mapped = True
        rest = Chunk(pool, hole.address + taken, hole.size - taken, mapped=False)
        if rest.size:
            rest.link(hole, hole.next)
            insort(pool.unmapped, (rest.address, rest))
            hole.size = taken
        self._exchange(pool, hole.address, taken)
        self._merge(hole)
        pool.add(hole)
        return True

    def _unmap(self, chunk: Chunk) -> None:
        """Take the memory away from the whole granules inside a free chunk."""
        pool, granule = chunk.pool, chunk.pool.granule
        start = -(-chunk.address // granule) * granule
        end = (chunk.address + chunk.size) // granule * granule
        if end <= start:
            return
        pool.remove(chunk)
        if before := start - chunk.address:
            left = Chunk(pool, chunk.address, before)
            left.link(chunk.prev, chunk)
            pool.add(left)
        if after := chunk.address + chunk.size - end:
            right = Chunk(pool, end, after)
            right.link(chunk, chunk.next)
            pool.add(right)
        chunk.address, chunk.size, chunk.mapped = start, end - start, False
        self._merge(chunk)
        insort(pool.unmapped, (chunk.address, chunk))
        self._exchange(pool, start, start - end)

    def _forget(self, chunk: Chunk) -> None:
        pool = chunk.pool
        if chunk.mapped:
            pool.remove(chunk)
        else:
            del pool.unmapped[bisect_left(pool.unmapped, (chunk.address,))]


def _room(chunk: Chunk) -> int:
    follower = chunk.next
    return chunk.size + (follower.size if follower is not None and not follower.mapped else 0)
