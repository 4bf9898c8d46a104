"""How numbers are shown. Inside, everything is an integer of bytes or of parameters; this is the edge.

Bytes are binary (1 GiB = 2**30 bytes, as nvidia-smi's MiB and torch's memory summary); parameters are
decimal (8.03 B = 8.03e9). FLOPs count a multiply-add as two.
"""

from collections.abc import Callable, Iterable

KIB = 2**10
MIB = 2**20
GIB = 2**30
SMALL = 0.1
"""What is less than this of a column's unit is shown in its own unit: '5.51 MiB', where '0.01 GiB' would misstate it."""
ABSURD = 100 * 2**40
"""Columns stay in GiB, the unit of every GPU's memory, up to here."""

_BINARY = ((2**50, "PiB"), (2**40, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))
_DECIMAL = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def format_bytes(count: int) -> str:
    """A byte count in the largest binary unit that fits: 16060522496 -> '14.96 GiB', 512 -> '512 B'."""
    for size, unit in _BINARY:
        if abs(count) >= size:
            return f"{count / size:,.2f} {unit}"
    return f"{count} B"


def bytes_column(counts: Iterable[int | None]) -> Callable[[int | None], str]:
    """How to show a column of byte counts: in the largest one's unit, and what is small there in its own.

    Nothing is shown as '0.00' but nothing, and None as ''.
    """
    largest = max((abs(count) for count in counts if count is not None), default=0)
    units = _BINARY if largest >= ABSURD else tuple(row for row in _BINARY if row[0] <= GIB)
    size, unit = next((row for row in units if largest >= row[0]), (1, "B"))

    def show(count: int | None) -> str:
        if count is None:
            return ""
        if size == 1 or (count and abs(count) < SMALL * size):
            return format_bytes(count)
        return f"{count / size:,.2f} {unit}"

    return show


def format_count(count: int) -> str:
    """A parameter count in decimal units: 8030261248 -> '8.03 B', 512 -> '512'."""
    for size, unit in _DECIMAL:
        if abs(count) >= size:
            return f"{count / size:.2f} {unit}"
    return str(count)


def format_share(part: int, whole: int) -> str:
    """A share in percent with enough digits to be seen: '2.13 %', '0.0021 %', '0 %'."""
    if part == 0 or whole == 0:
        return "0 %"
    percent = 100 * part / whole
    return f"{percent:.2f} %" if percent >= 0.01 else f"{percent:.2g} %"
