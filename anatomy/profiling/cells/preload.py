"""What the process that cells are forked from has imported: the libraries, with CUDA untouched.

A process that has asked the CUDA driver anything cannot be forked: its children could not use the GPU
(https://docs.pytorch.org/docs/stable/notes/multiprocessing.html, "Poison fork in multiprocessing"). Importing
bitsandbytes, which PEFT does, asks torch for each GPU's compute capability, and that starts CUDA. Here the driver's
own tool is asked instead. Where it has no answer PEFT is left to be imported by each cell.
"""

import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"
"""Set to 1, torch.cuda.is_available() asks NVML, which forgives a fork."""
BEFORE = ("torch", "torch.profiler", "transformers")
"""Imports that ask for no GPU's capability."""
AFTER = (
    "peft",
    "bitsandbytes",
    "transformers.trainer",
    "anatomy.rehearsal.rehearse",
    "anatomy.architecture.skeleton",
)
"""Imports that may."""


def import_libraries() -> None:
    """Import everything that a cell needs and that does not touch CUDA. The libraries' remarks are not shown."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        _import_libraries()
    finally:
        logging.disable(before)


def _import_libraries() -> None:
    os.environ.setdefault(NVML_CHECK, "1")
    for name in BEFORE:
        import_module(name)
    import torch

    if not torch.cuda.is_available():
        _import_adapters()
        return
    capabilities = ask_capabilities()
    if len(capabilities) == torch.cuda.device_count() or len(set(capabilities)) == 1:
        with capabilities_known(capabilities):
            _import_adapters()


def ask_capabilities() -> tuple[tuple[int, int], ...]:
    """The compute capability of each visible GPU by nvidia-smi; empty where it does not say."""
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
        return parse_capabilities(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def parse_capabilities(answer: str) -> tuple[tuple[int, int], ...]:
    """'9.0\\n9.0\\n' -> ((9, 0), (9, 0)). Raises ValueError for anything else, such as '[N/A]'."""
    pairs = [line.strip().partition(".") for line in answer.splitlines() if line.strip()]
    return tuple((int(major), int(minor)) for major, _, minor in pairs)


@contextmanager
def capabilities_known(capabilities: tuple[tuple[int, int], ...]) -> Iterator[None]:
    """torch.cuda.get_device_capability answers from these meanwhile, and CUDA is not started."""
    import torch

    def answer(device: object = None) -> tuple[int, int]:
        # bitsandbytes passes a torch.cuda.device, which keeps its number in `idx`.
        index = getattr(device, "idx", device)
        return capabilities[index if isinstance(index, int) and 0 <= index < len(capabilities) else 0]

    real, torch.cuda.get_device_capability = torch.cuda.get_device_capability, answer
    try:
        yield
    finally:
        torch.cuda.get_device_capability = real


def _import_adapters() -> None:
    from anatomy.rehearsal.kernels.bitsandbytes_cuda import import_quietly

    import_quietly()
    for name in AFTER:
        if find_spec(name.partition(".")[0]) is not None:  # bitsandbytes may be missing
            import_module(name)
