"""How numbers are shown. Inside, everything is an integer of bytes or of parameters; this is the edge.

Bytes are binary (1 GiB = 2**30 bytes, as nvidia-smi's MiB and torch's memory summary); parameters are
decimal (8.03 B = 8.03e9). FLOPs count a multiply-add as two.
"""

KIB = 2**10
MIB = 2**20
GIB = 2**30

_BINARY = ((2**50, "PiB"), (2**40, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))
_DECIMAL = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def format_bytes(count: int) -> str:
    """A byte count in the largest binary unit that fits: 16060522496 -> '14.96 GiB', 512 -> '512 B'."""
    for size, unit in _BINARY:
        if abs(count) >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def format_gib(count: int) -> str:
    """A byte count in GiB whatever its size, for columns that are read downwards: '14.96 GiB'."""
    return f"{count / GIB:.2f} GiB"


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
