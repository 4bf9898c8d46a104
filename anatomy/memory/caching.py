"""The caching allocator that torch puts in front of cudaMalloc, rule by rule.

Restates `DeviceCachingAllocator` of pytorch's c10/cuda/CUDACachingAllocator.cpp (main branch of January 2026,
between 2.10 and 2.11) for one stream and default settings; the constants are those of
c10/core/AllocatorConfig.h in 2.13, where the 20 MiB of a large segment are the default of an option,
`large_segment_size_mb`. The function of the C++ source that a method restates is named in its docstring.

Left out, because a training step with default settings never meets them: several streams, events, private
pools and CUDA graphs, `max_split_size_mb`, `roundup_power2_divisions`, `garbage_collection_threshold`.

One thing is not known to a replay: the addresses that the driver hands out. They matter only as the tie break
between free blocks of equal size. Here each new segment lies above all earlier ones.
"""

from bisect import bisect_left, insort
from collections.abc import Callable

MIN_BLOCK = 512
"""kMinBlockSize: every request is rounded up to a multiple of this."""
SMALL_REQUEST = 1 << 20
"""kSmallSize: the largest request that is served from the small pool."""
SMALL_SEGMENT = 2 << 20
"""kSmallBuffer: what the small pool asks cudaMalloc for."""
LARGE_SEGMENT = 20 << 20
"""kLargeBuffer, now the option large_segment_size: what a request of the large pool below 10 MiB asks for."""
OWN_SEGMENT_FROM = 10 << 20
"""kMinLargeAlloc: from here on a request gets a segment of its own size ..."""
OWN_SEGMENT_MULTIPLE = 2 << 20
"""kRoundLarge: ... rounded up to a multiple of this."""


Witness = Callable[[bool, int, int], None]
"""Told of each cudaMalloc and cudaFree: whether it is the large pool's, the address, and the bytes; those given back
are negative."""


def round_size(requested: int) -> int:
    """Bytes of the smallest block that can serve a request (`round_size`)."""
    return max(MIN_BLOCK, -(-requested // MIN_BLOCK) * MIN_BLOCK)


def segment_size(size: int) -> int:
    """Bytes that cudaMalloc is asked for when no free block can serve `size` (`get_allocation_size`)."""
    if size <= SMALL_REQUEST:
        return SMALL_SEGMENT
    if size < OWN_SEGMENT_FROM:
        return LARGE_SEGMENT
    return -(-size // OWN_SEGMENT_MULTIPLE) * OWN_SEGMENT_MULTIPLE


class Chunk:
    """A stretch of one segment: in use, or free in its pool (the C++ `Block`)."""

    __slots__ = ("address", "in_use", "mapped", "next", "pool", "prev", "size")

    def __init__(self, pool: "Pool", address: int, size: int, *, mapped: bool = True) -> None:
        self.pool = pool
        self.address = address
        self.size = size
        self.in_use = False
        self.mapped = mapped
        """False for address space without memory behind it; only expandable segments have any."""
        self.prev: Chunk | None = None
        self.next: Chunk | None = None

    def link(self, before: "Chunk | None", after: "Chunk | None") -> None:
        """Take the place between two neighbours of the same segment (`splice`)."""
        self.prev, self.next = before, after
        if before is not None:
            before.next = self
        if after is not None:
            after.prev = self


class Pool:
    """The free chunks of one pool, smallest first, then by address (`BlockComparatorSize`)."""

    __slots__ = ("chunks", "granule", "start", "unmapped")

    def __init__(self, granule: int, start: int = 0) -> None:
        self.granule = granule
        """Bytes by which an expandable segment of this pool grows."""
        self.start = start
        """Address at which an expandable segment of this pool begins."""
        self.chunks: list[tuple[int, int, Chunk]] = []
        self.unmapped: list[tuple[int, Chunk]] = []
        """By address; expandable segments only."""

    def add(self, chunk: Chunk) -> None:
        insort(self.chunks, (chunk.size, chunk.address, chunk))

    def remove(self, chunk: Chunk) -> None:
        del self.chunks[bisect_left(self.chunks, (chunk.size, chunk.address))]


class CachingAllocator:
    """Blocks out of cached segments; every segment is one cudaMalloc."""

    def __init__(self, capacity: int | None = None, witness: Witness | None = None) -> None:
        self.capacity = capacity
        """Bytes that the device can give out in all; None for no limit."""
        self.witness = witness
        self.allocated = 0
        """Bytes of the blocks in use, each with its whole size: torch.cuda.memory_allocated()."""
        self.reserved = 0
        """Bytes taken from the device: torch.cuda.memory_reserved()."""
        self.retries = 0
        """Times the cache was given back to the device to try once more: the `num_alloc_retries` statistic."""
        self.small = Pool(SMALL_SEGMENT)
        self.large = Pool(LARGE_SEGMENT)
        self._next_address = 0

    def malloc(self, requested: int) -> Chunk | None:
        """A block of at least `requested` bytes, or None when the device is out of memory (`malloc`)."""
        size = round_size(requested)
        pool = self.small if size <= SMALL_REQUEST else self.large
        chunk = self._best_fit(pool, size) or self._grow(pool, size)
        if chunk is None:
            self.empty_cache()
            self.retries += 1
            chunk = self._grow(pool, size)
            if chunk is None:
                return None
        if self._splits(chunk, size):
            self._split(chunk, size)
        chunk.in_use = True
        self.allocated += chunk.size
        return chunk

    def free(self, chunk: Chunk) -> None:
        """Give a block back to its pool, merged with its free neighbours (`free_block`)."""
        self.allocated -= chunk.size
        chunk.in_use = False
        self._merge(chunk)
        chunk.pool.add(chunk)

    def empty_cache(self) -> None:
        """Give every segment without a block in use back to the device (`release_cached_blocks`)."""
        for pool in (self.large, self.small):
            kept = []
            for entry in pool.chunks:
                size, address, chunk = entry
                if chunk.prev or chunk.next:
                    kept.append(entry)
                else:
                    self._exchange(pool, address, -size)
            pool.chunks = kept

    def _best_fit(self, pool: Pool, size: int) -> Chunk | None:
        """Take the smallest free chunk that is large enough, the lowest of equals (`get_free_block`)."""
        at = bisect_left(pool.chunks, (size,))
        return pool.chunks.pop(at)[2] if at < len(pool.chunks) else None

    def _grow(self, pool: Pool, size: int) -> Chunk | None:
        """A new segment, or None when the device has no room for it (`alloc_block`)."""
        taken = segment_size(size)
        if self.capacity is not None and self.reserved + taken > self.capacity:
            return None
        chunk = Chunk(pool, self._next_address, taken)
        self._next_address += taken
        self._exchange(pool, chunk.address, taken)
        return chunk

    def _exchange(self, pool: Pool, address: int, size: int) -> None:
        """Memory taken from the device, or given back where `size` is negative."""
        self.reserved += size
        if self.witness is not None:
            self.witness(pool is self.large, address, size)

    def _splits(self, chunk: Chunk, size: int) -> bool:
        """Whether what is left of the chunk becomes a free chunk of its own (`should_split`)."""
        left = chunk.size - size
        return left >= MIN_BLOCK if chunk.pool is self.small else left > SMALL_REQUEST

    def _split(self, chunk: Chunk, size: int) -> None:
        rest = Chunk(chunk.pool, chunk.address + size, chunk.size - size)
        rest.link(chunk, chunk.next)
        chunk.size = size
        chunk.pool.add(rest)

    def _merge(self, chunk: Chunk) -> None:
        """Absorb the free neighbours of a chunk that is in no list itself (`try_merge_blocks`)."""
        before, after = chunk.prev, chunk.next
        if before is not None and not before.in_use and before.mapped == chunk.mapped:
            self._forget(before)
            chunk.address = before.address
            chunk.size += before.size
            chunk.link(before.prev, after)
        if after is not None and not after.in_use and after.mapped == chunk.mapped:
            self._forget(after)
            chunk.size += after.size
            chunk.link(chunk.prev, after.next)

    def _forget(self, chunk: Chunk) -> None:
        chunk.pool.remove(chunk)
