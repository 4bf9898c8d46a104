"""A model's size in one format, and what it consists of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class FormatSize:
    """What all weights take in one format; or why that is not known."""

    name: str
    """The format, e.g. 'nf4' or 'Q4_K_M'."""
    parameters: int
    """Numbers that the weights are; of a format that leaves a part to another file, those of its own."""
    packed_bytes: int = 0
    """The numbers of quantized weights, scales aside."""
    scale_bytes: int = 0
    """Scales, zero points and code books of quantized weights."""
    kept_bytes: int = 0
    """Weights that the format leaves in 16 or 32 bits."""
    kept_experts: int = 0
    """Numbers of routed experts' matrices among those, in a format that quantizes other matrices."""
    tensors: Mapping[str, int] = field(default_factory=dict)
    """Number format -> tensors kept in it, where they are mixed."""
    says: str = ""
    """What is quantized, and how."""
    source: str = ""
    """Where that is defined."""
    why_not: str = ""
    """Why there is no size; '' where there is one."""

    @property
    def total_bytes(self) -> int | None:
        """Bytes of all weights; None where they are not known."""
        return None if self.why_not else self.packed_bytes + self.scale_bytes + self.kept_bytes

    @property
    def bits(self) -> float | None:
        """Bits per weight, scales and unquantized weights counted."""
        total = self.total_bytes
        return None if total is None or not self.parameters else 8 * total / self.parameters

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "bytes": self.total_bytes,
            "bits_per_weight": self.bits,
            "parameters": self.parameters,
            "packed_bytes": self.packed_bytes,
            "scale_bytes": self.scale_bytes,
            "kept_bytes": self.kept_bytes,
            "kept_expert_parameters": self.kept_experts,
            "tensors": dict(self.tensors),
            "says": self.says,
            "source": self.source,
            "why_not": self.why_not,
        }
