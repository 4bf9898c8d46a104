"""What a run holds on the device for good, parameter by parameter."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldParameter:
    """A parameter as the run holds it on the device."""

    name: str
    """Its name inside its module: 'weight', or of an adapter 'lora_A.default.weight'."""
    shape: tuple[int, ...]
    """As the run holds it: packed where it is quantized."""
    dtype: str
    """torch's name, e.g. 'bfloat16'; 'uint8' where 4-bit weights are packed."""
    trainable: bool
    """Whether it gets a gradient."""
    adapter: bool
    """Whether a method added it."""

    def to_dict(self) -> dict[str, Any]:
        """One entry of `held`."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "trainable": self.trainable,
            "adapter": self.adapter,
        }
