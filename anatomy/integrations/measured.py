"""What a training was seen to take: the allocator's counters on CUDA, resident memory on the CPU."""

from dataclasses import dataclass
from pathlib import Path

import torch

from anatomy.integrations.forecast import PREFIX, Forecast
from anatomy.profiling.counters import peak_rss, reset_peak_rss


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Predicted less measured: negative where the prediction was too small."""

    peak_allocated_bytes: int
    peak_reserved_bytes: int
    device_bytes: int

    def metrics(self) -> dict[str, float]:
        """For a logger: bytes by name."""
        return {
            f"{PREFIX}difference_peak_allocated_bytes": self.peak_allocated_bytes,
            f"{PREFIX}difference_peak_reserved_bytes": self.peak_reserved_bytes,
            f"{PREFIX}difference_device_bytes": self.device_bytes,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class OnCuda:
    """Peaks since the training began, in this process."""

    peak_allocated_bytes: int
    """torch.cuda.max_memory_allocated()"""
    peak_reserved_bytes: int
    """torch.cuda.max_memory_reserved()"""
    device_bytes: int
    """In use on the device when it was read, by the driver's account: other processes are in it."""

    def metrics(self) -> dict[str, float]:
        """For a logger: bytes by name."""
        return {
            f"{PREFIX}measured_peak_allocated_bytes": self.peak_allocated_bytes,
            f"{PREFIX}measured_peak_reserved_bytes": self.peak_reserved_bytes,
            f"{PREFIX}measured_device_bytes": self.device_bytes,
        }

    def difference(self, predicted: Forecast) -> Difference:
        """Predicted less measured."""
        return Difference(
            peak_allocated_bytes=predicted.peak_allocated_bytes - self.peak_allocated_bytes,
            peak_reserved_bytes=predicted.peak_reserved_bytes - self.peak_reserved_bytes,
            device_bytes=predicted.device_bytes - self.device_bytes,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class OnCpu:
    """Another quantity than what a GPU allocates: libraries, data and freed memory that is kept are in it."""

    peak_rss_growth_bytes: int
    """Highest resident memory of the process less what was resident when the training began."""

    def metrics(self) -> dict[str, float]:
        """For a logger: bytes by name."""
        return {f"{PREFIX}measured_peak_rss_growth_bytes": self.peak_rss_growth_bytes}

    def difference(self, predicted: Forecast) -> None:
        """None: host memory and a GPU's are two quantities, which do not subtract."""


Measured = OnCuda | OnCpu


class Meter:
    """Counters from `start` on. Starting resets the peaks that torch.cuda and Linux keep, and nothing else."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._resident = 0
        self.start()

    def start(self) -> None:
        """Peaks count from here."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            reset_peak_rss()
            self._resident = _resident()

    def read(self) -> Measured:
        """The peaks so far."""
        if self._device.type != "cuda":
            return OnCpu(peak_rss_growth_bytes=max(0, peak_rss() - self._resident))
        free, total = torch.cuda.mem_get_info(self._device)
        return OnCuda(
            peak_allocated_bytes=torch.cuda.max_memory_allocated(self._device),
            peak_reserved_bytes=torch.cuda.max_memory_reserved(self._device),
            device_bytes=total - free,
        )


def _resident() -> int:
    """Resident memory of this process now, in bytes; elsewhere than on Linux its highest so far."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
    except (OSError, StopIteration):
        return peak_rss()
