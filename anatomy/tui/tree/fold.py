"""How much of a row is shown."""

from enum import IntEnum


class Fold(IntEnum):
    """How much of an item is shown."""

    CLOSED = 0
    OPEN = 1
    """What is inside; of a group, what is inside each of its members, once for all."""
    SPLIT = 2
    """Of a group: its members, one by one."""
