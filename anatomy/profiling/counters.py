"""Counters: what the device's allocator and driver say at the end of each phase, nothing else at work."""

from pathlib import Path

from anatomy.memory.timeline import Phase
from anatomy.profiling.measurement import PhaseReading


class CudaCounters:
    """Reads torch.cuda's counters as phases begin; each reading covers the phase that has just ended."""

    def __init__(self) -> None:
        self.readings: list[PhaseReading] = []
        # (step, phase) that is under way
        self.running: tuple[int, Phase] = (0, Phase.LOAD)
        _reset_peaks()

    def enter(self, phase: Phase, step: int) -> None:
        """A phase begins, so the one before it has ended."""
        self.close()
        self.running = (step, phase)

    def close(self) -> None:
        """The running phase ends."""
        import torch

        stats = torch.cuda.memory_stats()
        free, total = torch.cuda.mem_get_info()
        step, phase = self.running
        self.readings.append(
            PhaseReading(
                step=step,
                phase=phase,
                end_allocated_bytes=stats["allocated_bytes.all.current"],
                peak_allocated_bytes=stats["allocated_bytes.all.peak"],
                end_reserved_bytes=stats["reserved_bytes.all.current"],
                peak_reserved_bytes=stats["reserved_bytes.all.peak"],
                device_used_bytes=total - free,
            )
        )
        _reset_peaks()


def _reset_peaks() -> None:
    import torch

    torch.cuda.reset_peak_memory_stats()


def reset_peak_rss() -> None:
    """Linux: let the process's highest resident memory start anew (proc(5), clear_refs); elsewhere nothing."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak_rss() -> int:
    """Highest resident memory of this process since `reset_peak_rss`, in bytes."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
