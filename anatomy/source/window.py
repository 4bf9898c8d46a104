"""The start of a large file, on disk or on a server, read in growing pieces by someone who knows what to skip."""

from collections.abc import Callable
from struct import Struct

from anatomy.errors import SourceError

Read = Callable[[int, int], bytes]
"""(start, end) -> the file's bytes from start up to, not including, end; fewer only where the file ends before."""

_FIRST_BYTES = 256 * 1024
_LARGEST_BYTES = 4 * 1024 * 1024
"""Of one piece. Each is twice as long as the one before: few requests to a server, little memory for a short header."""

_MOST_BYTES = 128 * 1024 * 1024
"""Read of one file, in all. The headers of the largest vocabularies, of 262,144 tokens, take about 16 MB."""


class Window:
    """A place in a file that moves forward. Every move is checked against the file's end before it is made."""

    def __init__(self, read: Read, *, size: int | None, refuse: Callable[[str], SourceError]) -> None:
        """`size` is the file's length in bytes where it is known; `refuse` makes the error for a fault."""
        self._read = read
        self._size = size
        self._refuse = refuse
        self._data = b""
        self._start = 0
        self._at = 0
        self._piece = _FIRST_BYTES
        self._total = 0

    @property
    def position(self) -> int:
        """Bytes from the start of the file."""
        return self._start + self._at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if self._at + count > len(self._data):
            self._load(count)
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def skip(self, count: int) -> None:
        """Move on by `count` bytes; those that were not read yet never are."""
        self._check(self.position + count)
        self._at += count

    def skip_strings(self, count: int, length: Struct) -> None:
        """Move on by `count` strings, each its length, written as `length`, and that many bytes."""
        unpack, width = length.unpack_from, length.size
        while count:
            if self._at + width > len(self._data):
                self._load(width)
            data, at, last = self._data, self._at, len(self._data) - width
            while count and at <= last:
                at += width + unpack(data, at)[0]
                count -= 1
            self._check(self._start + at)
            self._at = at

    def _load(self, count: int) -> None:
        """Read on from the position, at least `count` bytes."""
        start = self.position
        self._check(start + count)
        length = max(count, self._piece)
        self._piece = min(2 * self._piece, _LARGEST_BYTES)
        self._data = self._read(start, start + length)
        self._start, self._at = start, 0
        self._total += len(self._data)
        if len(self._data) < count:
            raise self._refuse(f"is truncated: it ends after {start + len(self._data):,} bytes of its header")
        if self._total > _MOST_BYTES:
            raise self._refuse(f"has a header longer than the {_MOST_BYTES:,} bytes that are read")

    def _check(self, end: int) -> None:
        if self._size is not None and end > self._size:
            raise self._refuse(
                f"is truncated: it has {self._size:,} bytes, and its header goes on to {end:,} or more"
            )
