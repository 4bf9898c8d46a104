"""What runs are fitted onto: a catalog of GPUs with the memory that is usable, and the GPU of this machine."""

from anatomy.hardware.catalog import Gpu, all_gpus, lookup
from anatomy.hardware.context import Context, context_for
from anatomy.hardware.detect import detect

__all__ = ["Context", "Gpu", "all_gpus", "context_for", "detect", "lookup"]
