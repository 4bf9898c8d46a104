"""The GPU of this machine, as torch sees it."""

from anatomy.hardware.catalog import Gpu


def detect(index: int = 0) -> Gpu | None:
    """The GPU with this index, or None on a machine without one. Imports torch; creates no CUDA context."""
    import torch

    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        return None
    found = torch.cuda.get_device_properties(index)
    amd = torch.version.hip is not None
    return Gpu(
        name=found.name,
        vendor="AMD" if amd else "NVIDIA",
        memory_bytes=found.total_memory,
        nominal_bytes=found.total_memory,
        read_from="torch",
        source="this machine",
        compute_capability=found.gcnArchName.split(":")[0] if amd else f"{found.major}.{found.minor}",
        multiprocessors=found.multi_processor_count,
        # AMD's Instinct cards and NVIDIA's from Ampere on multiply bfloat16; older ones emulate it.
        bf16=amd or found.major >= 8,
    )
