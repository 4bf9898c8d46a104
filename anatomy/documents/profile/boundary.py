"""Which GPUs a terminal shows of all: those around the smallest on which something fits."""

from collections.abc import Sequence
from typing import Protocol

SMALLER_SHOWN = 2
"""GPUs below the best one: in the table so many that are too small; there, and in the first sentence, as many that
would do with a reservation."""
STEP_BETWEEN_SHOWN = 1.25
"""Above it, the next GPU shown has at least this many times the memory of the last ..."""
LARGER_SHOWN = 6
"""... and there are at most so many."""


class Placed(Protocol):
    """Something on one GPU."""

    @property
    def memory_bytes(self) -> int:
        """What a process can allocate on it."""

    @property
    def nominal(self) -> bool:
        """Whether nobody read that from such a GPU."""

    @property
    def fits(self) -> bool:
        """Whether it fits."""


def around(placed: Sequence[Placed], best: int | None) -> tuple[int, ...]:
    """Of GPUs in the order of their memory, those around the best one: some just below, then steps upwards; without a best
    one the largest.
    """
    if best is None:
        return tuple(range(max(0, len(placed) - SMALLER_SHOWN - 1), len(placed)))
    small = [index for index in range(best) if not placed[index].fits]
    reserved = [index for index in range(best) if placed[index].fits]
    shown = sorted([*small[-SMALLER_SHOWN:], *reserved[:SMALLER_SHOWN], best])
    for index in range(best + 1, len(placed)):
        if (
            not placed[index].nominal
            and placed[index].memory_bytes >= STEP_BETWEEN_SHOWN * placed[shown[-1]].memory_bytes
        ):
            shown.append(index)
    return tuple(shown[: shown.index(best) + 1 + LARGER_SHOWN])
