"""Out of memory, as the libraries say it; and a real one."""

import subprocess
import sys
import textwrap

import pytest
import torch

from anatomy.memory.timeline import Phase
from anatomy.profiling.failure import failure_of, is_out_of_memory

CUDA = (
    "CUDA out of memory. Tried to allocate 3.91 GiB. GPU 0 has a total capacity of 23.64 GiB of which 1.20 GiB is "
    "free. Including non-PyTorch memory, this process has 22.43 GiB memory in use."
)
CPU = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4294967296 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.parametrize(
    ("error", "requested", "message"),
    [
        (torch.OutOfMemoryError(CUDA), round(3.91 * 2**30), "CUDA out of memory"),
        (
            RuntimeError(CPU),
            4294967296,
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4294967296 bytes",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
            20 * 2**20,
            "CUDA out of memory",
        ),
        (MemoryError(), None, "MemoryError"),
        (
            RuntimeError("CUDA error: out of memory\nCUDA kernel errors ..."),
            None,
            "CUDA error: out of memory",
        ),
    ],
)
def test_messages(error, requested, message):
    assert is_out_of_memory(error)
    failure = failure_of(error, step=1, phase=Phase.FORWARD, path_of=lambda module: None)
    assert (failure.requested_bytes, failure.message) == (requested, message)
    assert (failure.step, failure.phase, failure.module) == (1, Phase.FORWARD, "")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("out of memory"), KeyError("x")],
)
def test_other_errors_are_errors(error):
    assert not is_out_of_memory(error)


def test_the_innermost_module_is_named():
    class Thing:
        def work(self):
            raise MemoryError

    class Outer:
        def __init__(self):
            self.inner = Thing()

        def work(self):
            self.inner.work()

    outer = Outer()
    paths = {id(outer): "model", id(outer.inner): "model.inner"}
    with pytest.raises(MemoryError) as caught:
        outer.work()
    failure = failure_of(
        caught.value, step=2, phase=Phase.BACKWARD, path_of=lambda module: paths.get(id(module))
    )
    assert failure.module == "model.inner"


PROGRAM = """
    import resource, sys
    from anatomy import api
    import anatomy.api.profiled as profiled
    profiled.check_room = lambda *args: None  # the machine has room; what follows takes it away

    def tell(stage):
        if stage.startswith("making"):
            used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 500 * 2**20,) * 2)

    record = api.profile(
        sys.argv[1], method="full", precision="fp32", batch_size=32, seq_len=128, gradient_checkpointing="off",
        overrides={"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8}, passes=("events",), progress=tell,
    )
    measured = record.measurement
    assert "can't allocate memory" in measured.failure.message, measured.failure
    assert measured.failure.requested_bytes > 10**6, measured.failure
    assert record.smaller.needed_bytes <= measured.peak_allocated_bytes < 10**9
    print(measured.failure.step, measured.failure.phase.name, record.smaller.flags)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_a_real_one_is_an_answer(tiny_llama):
    """A process that may not take what the step needs: what was seen until then, and a run that would do."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tiny_llama)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    step, phase, flags = done.stdout.strip().splitlines()[-1].split(maxsplit=2)
    assert step == "1"
    assert phase in {"FORWARD", "LOSS", "BACKWARD"}
    assert flags.startswith("--")
