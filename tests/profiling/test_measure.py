"""The passes of a measurement: what each leaves, and the order in which a GPU's are made."""

import weakref

import pytest
import torch
from families import make, tiny_recipe

from anatomy.memory.allocator import replay
from anatomy.memory.timeline import Phase
from anatomy.planning.plan import ModelName
from anatomy.profiling import measure as measuring
from anatomy.profiling.machine import describe
from anatomy.profiling.measure import PASSES, Subject, measure
from anatomy.profiling.measurement import Machine, Measurement
from anatomy.profiling.weights import materialise
from anatomy.rehearsal.kernels.bitsandbytes_cuda import import_quietly

NAME = ModelName(id="tiny", origin="here", model_type="llama", architecture="LlamaForCausalLM")
RECIPE = tiny_recipe("llama", grad_accum=2)


class GpuSubject(Subject):
    """Stands for a run on a GPU whose tensors are really the CPU's."""

    @property
    def device(self) -> str:
        return "cpu"


def subject(kind=Subject, machine=None, told=None) -> Subject:
    return kind(
        build=lambda: materialise(make("llama", "meta"), RECIPE, "cpu"),
        recipe=RECIPE,
        component_of=lambda path: "",
        machine=machine or describe("cpu"),
        tell=(told if told is not None else []).append,
        steps=3,
        warmup=1,
    )


def measured(of: Subject, passes=PASSES) -> Measurement:
    return measure(
        of, model=NAME, weights="random", passes=passes, model_flops=600, hardware_flops=800, peak_flops=1e6
    )


def test_every_pass_on_the_cpu():
    told = []
    found = measured(subject(told=told))
    assert len(found.timing.step_seconds) == 3
    assert found.timing.tokens_per_step == 2 * 2 * 32
    assert found.timing.mfu == pytest.approx(600 / found.timing.seconds / 1e6)
    assert found.timing.flops_per_second == pytest.approx(800 / found.timing.seconds)
    assert found.peak_allocated_bytes == replay(found.observed).peak_requested_bytes
    assert replay(found.recorded).peak_requested_bytes == pytest.approx(found.peak_allocated_bytes, rel=0.01)
    assert found.peak_rss_bytes > 10**8
    assert (found.peak_reserved_bytes, found.peak_device_bytes, found.context_bytes) == (None, None, None)
    assert {r.phase for r in found.phases} == set(Phase) - {Phase.EVALUATION}
    assert any(kernel.name == "aten::mm" for kernel in found.kernels)
    assert [stage.split(":")[0] for stage in told] == [
        f"making the model on {found.machine.name}",
        "observing step 1 of 2",
        "observing step 2 of 2",
        "warming up",
        "timing step 1 of 3",
        "timing step 2 of 3",
        "timing step 3 of 3",
        "profiling the kernels of a step",
        "recording the same steps with the rehearsal's recorder",
    ]


def test_passes_that_nobody_wants_are_left_out():
    found = measured(subject(), passes=())
    assert (found.timing, found.kernels, found.recorded) == (None, (), None)
    assert found.observed.blocks


@pytest.fixture
def gpu(monkeypatch):
    """Counters of a GPU on which 5 bytes more are allocated each time they are read; 7 are the context's."""
    level = iter(range(5, 10**6, 5))
    stats = ("allocated_bytes.all.current", "allocated_bytes.all.peak", "reserved_bytes.all.current")

    def memory_stats():
        now = next(level)
        return {**dict.fromkeys(stats, now), "reserved_bytes.all.peak": now, "now": now}

    last = {}
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda: last.update(memory_stats()) or dict(last))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1000 - last["now"] - 7, 1000))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    return Machine(kind="cuda", name="GPU", memory_bytes=1000, capability=(8, 0), multiprocessors=108)


def test_a_gpu_is_counted_first_and_observed_afterwards(gpu):
    told = []
    found = measured(subject(GpuSubject, gpu, told))
    assert [stage for stage in told if "step" in stage][:2] == [
        "measuring step 1 of 2",
        "measuring step 2 of 2",
    ]
    assert (
        told.index("measuring step 2 of 2")
        < told.index("timing step 1 of 3")
        < told.index("observing step 1 of 2")
    )
    # Loading, and two steps of two micro-batches: forward, backward; then clip, optimizer, zero grad.
    steps = [(r.step, r.phase) for r in found.phases]
    once = [
        Phase.FORWARD,
        Phase.BACKWARD,
        Phase.FORWARD,
        Phase.BACKWARD,
        Phase.CLIP,
        Phase.OPTIMIZER,
        Phase.ZERO_GRAD,
    ]
    assert steps == [(0, Phase.LOAD), *((1, phase) for phase in once), *((2, phase) for phase in once)]
    assert found.context_bytes == 7
    assert found.peak_device_bytes == found.peak_reserved_bytes + 7 == 5 * 15 + 7


def test_out_of_memory_while_counting_still_observes_what_was_alive(gpu, monkeypatch):
    real_set_up = measuring.set_up

    def set_up(*args):
        real = real_set_up(*args)

        def step(*_, **__):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 has ...")

        real.run.optimizer.step = step
        return real

    monkeypatch.setattr(measuring, "set_up", set_up)
    found = measured(subject(GpuSubject, gpu))
    assert (found.failure.step, found.failure.phase) == (1, Phase.OPTIMIZER)
    assert found.failure.requested_bytes == 2 * 2**20
    assert found.phases[-1].phase is Phase.OPTIMIZER
    assert found.observed.marks[-1].phase is Phase.OPTIMIZER
    assert found.timing is None
    assert found.recorded is None


def test_other_failures_are_failures(monkeypatch):
    def set_up(*args):
        raise ValueError("a bug")

    monkeypatch.setattr(measuring, "set_up", set_up)
    with pytest.raises(ValueError, match="a bug"):
        measured(subject())


def test_a_saved_measurement_is_read_back():
    found = measured(subject())
    assert Measurement.from_dict(found.to_dict()) == found


def test_every_pass_begins_with_an_allocator_that_has_only_loaded(gpu, monkeypatch):
    order = []
    clean, real_set_up = measuring._clean, measuring.set_up
    monkeypatch.setattr(measuring, "_clean", lambda device: order.append("clean") or clean(device))
    monkeypatch.setattr(measuring, "set_up", lambda *args: order.append("set up") or real_set_up(*args))
    of = subject(GpuSubject, gpu)
    build, of.build = of.build, lambda: order.append("build") or build()
    measured(of, passes=("counters",))
    assert order == ["build", "clean", "set up", "clean"] * 2


def test_cleaning_takes_cublas_workspaces_before_it_empties_the_cache(monkeypatch):
    order = []
    clear = "_cuda_clearCublasWorkspaces"  # a build without CUDA lacks it
    monkeypatch.setattr(torch._C, clear, lambda: order.append("workspaces"), raising=False)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: order.append("cache"))
    measuring._clean("cpu")
    measuring._clean("cuda")
    assert order == ["workspaces", "cache"]


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_the_first_pass_is_alive_in_the_second(gpu, fails):
    """With room for one model only, a second beside it would be out of memory."""
    import_quietly()  # while it is imported it logs an exception, and pytest keeps that with all of its frames
    of, models = subject(GpuSubject, gpu), []
    build = of.build

    def build_alone():
        assert [model for model in models if model() is not None] == []
        model = build()
        models.append(weakref.ref(model))
        if fails:
            model.forward = _no_memory
        return model

    of.build = build_alone
    found = measured(of, passes=("counters", "timing", "kernels"))
    assert len(models) == 2
    assert (found.failure is not None) is fails


def _no_memory(input_ids=None, labels=None, **_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 has ...")
