"""The device that runs, as it describes itself."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from anatomy.errors import RecipeError
from anatomy.profiling.measurement import DeviceKind, Machine
from anatomy.rehearsal.cuda import Target
from anatomy.training.recipe import Recipe
from anatomy.units import MIB
from anatomy.versions import installed


def choose_device(asked: str | None) -> DeviceKind:
    """'cuda' where there is a GPU that torch can use, else 'cpu'; or what was asked for.

    Raises RecipeError for a device that is not there.
    """
    import torch

    if asked not in (None, "cuda", "cpu"):
        raise RecipeError(f"{asked!r} is not a device that can be measured.", hint="use cuda or cpu")
    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise RecipeError(
            "torch sees no CUDA device on this machine.",
            hint="--device cpu measures on the CPU; `anatomy env` shows what is installed",
        )
    return "cpu" if asked == "cpu" or not available else "cuda"


def arrive(asked: str | None) -> tuple[Machine, int]:
    """This machine with the device that was asked for (see `choose_device`), and what was in use on it before."""
    kind = choose_device(asked)
    used_before = used_before_bytes() if kind == "cuda" else 0  # before CUDA is touched
    return describe(kind), used_before


def check_runnable(recipe: Recipe, kind: DeviceKind) -> None:
    """Raises RecipeError where this machine lacks what the run needs. A plan needs no kernel, a measurement does."""
    if recipe.attn == "flash_attention_2" and (kind != "cuda" or not installed(("flash-attn",))):
        raise RecipeError(
            "flash_attention_2 runs on a GPU with the package flash-attn: this run has "
            + ("no such package." if kind == "cuda" else "no GPU."),
            hint="use --attn sdpa, or `anatomy plan`, which needs neither",
        )
    if recipe.checkpoint_offload and kind != "cuda":
        raise RecipeError(
            "checkpoint_offload moves activations from a GPU to the host: this run has no GPU.",
            hint="leave --checkpoint-offload out, or use `anatomy plan`",
        )


def describe(kind: DeviceKind) -> Machine:
    """This machine."""
    return _cuda() if kind == "cuda" else _cpu()


def target_of(machine: Machine) -> Target:
    """What a rehearsal for this machine stands for."""
    if machine.capability is None or machine.multiprocessors is None:
        return Target(name="cpu")
    return Target(capability=machine.capability, multiprocessors=machine.multiprocessors)


def free_bytes(machine: Machine) -> int:
    """What a run can take now, in bytes."""
    if machine.kind == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    return _meminfo("MemAvailable")


def used_before_bytes() -> int:
    """What the GPU's driver says is in use; to be asked before this process touches CUDA. 0 where it cannot be."""
    said = nvidia_smi("memory.used")
    return int(said) * MIB if said is not None and said.isdigit() else 0


def _cuda() -> Machine:
    import torch

    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    settings = [os.environ.get(name, "") for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")]
    return Machine(
        kind="cuda",
        name=properties.name,
        memory_bytes=properties.total_memory,
        capability=(properties.major, properties.minor),
        multiprocessors=properties.multi_processor_count,
        driver=nvidia_smi("driver_version"),
        python=platform.python_version(),
        platform=platform.platform(),
        versions=installed(),
        allocator=next((setting for setting in settings if setting), ""),
    )


def _cpu() -> Machine:
    return Machine(
        kind="cpu",
        name=_processor(),
        memory_bytes=_meminfo("MemTotal"),
        python=platform.python_version(),
        platform=platform.platform(),
        versions=installed(),
    )


def nvidia_smi(field: str) -> str | None:
    """What nvidia-smi says of the first visible GPU, without units; None where it cannot be asked."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if visible in ("", "-1"):  # every GPU is hidden
        return None
    asked = [program, f"--query-gpu={field}", "--format=csv,noheader,nounits", "-i", visible]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.strip() or None


def _meminfo(name: str) -> int:
    """A line of Linux's /proc/meminfo, in bytes; elsewhere the machine's whole memory."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
