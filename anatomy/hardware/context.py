"""What a process takes on a device outside torch's allocator; an assumption with a range and its sources."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from anatomy.units import MIB


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Device memory of the CUDA context, kernels and libraries, of which torch's counters know nothing."""

    bytes: int
    """The figure to add to reserved memory for what nvidia-smi will show."""
    low_bytes: int
    """The least that public figures justify."""
    high_bytes: int
    """The most that public figures justify."""
    source: str
    """Where the figures were published."""


def context_for(compute_capability: str) -> Context:
    """The assumption for a compute capability ('8.0'), or the default where no figure is public."""
    table = _table()
    return table.get(compute_capability, table["default"])


@cache
def _table() -> Mapping[str, Context]:
    rows = tomllib.loads((files(__package__) / "context.toml").read_text(encoding="utf-8"))
    return {
        key: Context(
            bytes=row["mib"] * MIB,
            low_bytes=row["low_mib"] * MIB,
            high_bytes=row["high_mib"] * MIB,
            source=row["source"],
        )
        for key, row in rows.items()
    }
