"""Real steps under torch.profiler, read back as a timeline: the levels, modules and categories of the rehearsal."""

from collections import Counter
from importlib.util import find_spec

import pytest
import torch
from families import FAMILIES, make, tiny_recipe
from sampling import sampled
from torch.utils._python_dispatch import _get_current_dispatch_mode

from anatomy.garbage import without_garbage_collection
from anatomy.memory.allocator import replay, spans
from anatomy.memory.footprint import footprint
from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.profiling import observe
from anatomy.profiling.events import _as_requested
from anatomy.profiling.observe import Observation
from anatomy.profiling.real import set_up
from anatomy.profiling.tree import MEMORY, Item
from anatomy.profiling.weights import materialise
from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.recipe import Recipe

KERNEL_SCRATCH = 16_384
"""More than a tiny step's kernels hold for themselves on the CPU."""


def component_of(path: str) -> str:
    return "head" if path.endswith("lm_head") else ""


def observed(family: str, recipe: Recipe) -> tuple[Timeline, int]:
    model = materialise(on_meta(family, recipe), recipe, "cpu")
    observation = Observation(set_up(model, recipe, "cpu", component_of), "cpu")
    with without_garbage_collection():
        observation.run(2, lambda text: None)
    return observation.timeline({"kind": "measurement"})


def rehearsed(family: str, recipe: Recipe) -> Timeline:
    model = on_meta(family, recipe)
    return rehearse(model, recipe, component_of=component_of, target=Target(name="cpu")).timeline


def on_meta(family: str, recipe: Recipe):
    return make(family, "meta").to(getattr(torch, recipe.weight_dtype))


def levels(timeline: Timeline) -> list[tuple[int, Phase, int, int]]:
    """(step, phase, requested bytes at its end, the most during it)."""
    run = replay(timeline)
    requested = (0, *run.requested)
    return [
        (mark.step, mark.phase, requested[end], max(requested[start : end + 1]))
        for mark, start, end in spans(run)
    ]


BF16_SCRATCH = 65_536
"""More than a tiny product of bf16 matrices holds for itself on the CPU."""


def assert_same_levels(timeline: Timeline, predicted: Timeline, scratch: int = KERNEL_SCRATCH) -> None:
    for real, foreseen in zip(levels(timeline), levels(predicted), strict=True):
        assert real[:3] == foreseen[:3]
        assert 0 <= real[3] - foreseen[3] <= scratch


CASES = [
    *((family, {}) for family in FAMILIES),
    *((family, {"method": "lora"}) for family in FAMILIES),
    *((family, {"gradient_checkpointing": "non-reentrant"}) for family in ("llama", "bert")),
    ("gpt2", {"gradient_checkpointing": "reentrant", "method": "lora"}),
    ("llama", {"optimizer": "adafactor", "grad_accum": 2}),
    ("llama", {"optimizer": "sgd", "max_grad_norm": 0.0}),
    ("llama", {"method": "qlora"}),
    ("llama", {"padding_free": True}),
    ("gpt2", {"padding_free": True, "gradient_checkpointing": "non-reentrant", "checkpoint_every": 2}),
    ("t5", {"method": "houlsby", "bottleneck": 8}),
    ("gpt2", {"method": "pfeiffer", "gradient_checkpointing": "reentrant"}),
    ("llama", {"optimizer": "sgd", "optim_args": "momentum=0.9", "weight_decay": 0.1}),
]


@pytest.mark.parametrize(("family", "changes"), sampled(CASES, 3), ids=lambda value: str(value))
def test_levels_at_every_boundary_are_those_of_the_rehearsal(family, changes):
    recipe = tiny_recipe(family, **changes)
    timeline, host_bytes = observed(family, recipe)
    predicted = rehearsed(family, recipe)
    assert_same_levels(timeline, predicted)
    assert host_bytes < 100_000
    categories, expected = (footprint(t).by_category for t in (timeline, predicted))
    lasting = set(Category) - {Category.TEMPORARIES, Category.WORKSPACES}
    assert {c: n for c, n in categories.items() if c in lasting} == {
        c: n for c, n in expected.items() if c in lasting
    }


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        *(("llama", {"optimizer": name}) for name in ("adamw_torch", "sgd", "adafactor")),
        *(("llama", {"gradient_checkpointing": kind}) for kind in ("reentrant", "non-reentrant")),
        ("t5", {"method": "lora"}),
        ("bert", {"weight_decay": 0.1}),
    ],
    ids=str,
)
def test_an_optimizer_in_backward_steps_where_the_rehearsal_says(family, changes):
    """Levels alone: without lasting gradients several instants are nearly the highest, and scratch picks one of them."""
    recipe = tiny_recipe(family, optimizer_in_backward=True, max_grad_norm=0.0, **changes)
    timeline, _ = observed(family, recipe)
    predicted = rehearsed(family, recipe)
    assert_same_levels(timeline, predicted)
    usual = dict(changes, max_grad_norm=0.0)
    with_gradients = levels(rehearsed(family, tiny_recipe(family, **usual)))
    ends = {(step, phase): level for step, phase, level, _ in levels(predicted)}
    gradients = {
        level - ends[step, phase]
        for step, phase, level, _ in with_gradients
        if (step, phase) == (2, Phase.BACKWARD)
    }
    assert gradients == {gradient_bytes(family, recipe)}


LOW_RANK = {"optim_target_modules": "all-linear", "optim_args": "rank=8"}


@pytest.mark.parametrize(
    ("package", "changes"),
    [
        ("torch", {"optimizer": "muon"}),
        ("schedulefree", {"optimizer": "schedule_free_adamw"}),
        ("lomo_optim", {"optimizer": "lomo"}),
        ("galore_torch", {"optimizer": "galore_adamw", **LOW_RANK}),
        ("galore_torch", {"optimizer": "galore_adamw_layerwise", **LOW_RANK}),
        ("apollo_torch", {"optimizer": "apollo_adamw", **LOW_RANK}),
        ("apollo_torch", {"optimizer": "apollo_adamw_layerwise", **LOW_RANK}),
    ],
    ids=str,
)
def test_optimizers_of_packages_take_what_the_rehearsal_says(package, changes):
    """`make optimizers` installs the packages beside the others; with them in PYTHONPATH, none is skipped."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    recipe = tiny_recipe("llama", **changes)
    scratch = BF16_SCRATCH if package == "torch" else KERNEL_SCRATCH  # Muon's iterations are in bf16
    assert_same_levels(observed("llama", recipe)[0], rehearsed("llama", recipe), scratch)


def gradient_bytes(family: str, recipe: Recipe) -> int:
    from anatomy.training.methods import apply_method

    model = on_meta(family, recipe)
    with torch.device("meta"):
        trained = apply_method(model, recipe).parameters()
    return sum(p.numel() * p.element_size() for p in trained if p.requires_grad)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_the_cpus_autocast_casts_what_the_rehearsal_says(family):
    """It casts fewer operators than CUDA's. Levels alone: in bf16, matrix products take scratch of their own."""
    recipe = tiny_recipe(family, precision="bf16-mixed", optimizer="sgd")
    found, foreseen = levels(observed(family, recipe)[0]), levels(rehearsed(family, recipe))
    assert [level[:3] for level in found] == [level[:3] for level in foreseen]


@pytest.mark.parametrize("checkpointing", ["off", "non-reentrant", "reentrant"])
def test_blocks_name_the_modules_that_the_rehearsal_names(checkpointing):
    recipe = tiny_recipe("llama", gradient_checkpointing=checkpointing)
    found, expected = (
        Counter((block.module, block.bytes) for block in timeline.blocks if block.bytes > 8 and block.module)
        for timeline in (observed("llama", recipe)[0], rehearsed("llama", recipe))
    )
    missing, added = expected - found, found - expected
    assert missing.total() <= 0.01 * expected.total()
    # Scratch of CPU kernels, which no mode sees: attention's and the cross entropy's.
    assert added.total() <= 0.05 * expected.total()


def test_operators_are_named_as_a_dispatch_mode_names_them():
    names = {block.op for block in observed("llama", tiny_recipe("llama"))[0].blocks}
    assert {
        "aten.mm",
        "aten._to_copy",
        "aten.silu",
        "aten.silu_backward",
        "aten.embedding_dense_backward",
    } <= names
    assert not {"aten.linear", "aten.to", "aten.matmul", "aten.contiguous"} & names


def test_no_dispatch_mode_is_active_and_hooks_are_taken_away(monkeypatch):
    from anatomy.profiling import real as real_runs

    recipe = tiny_recipe("llama")
    run = set_up(materialise(make("llama", "meta"), recipe, "cpu"), recipe, "cpu", component_of)
    modes = []
    step = real_runs.step
    monkeypatch.setattr(
        real_runs, "step", lambda *args: (modes.append(_get_current_dispatch_mode()), step(*args))
    )
    Observation(run, "cpu").run(2, lambda text: None)
    assert modes == [None, None]
    assert not torch.nn.modules.module._global_forward_hooks
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_a_run_that_fails_leaves_what_was_seen(monkeypatch):
    recipe = tiny_recipe("llama")
    run = set_up(materialise(make("llama", "meta"), recipe, "cpu"), recipe, "cpu", component_of)
    seen = Observation(run, "cpu")

    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(run.run.optimizer, "step", fail)
    with pytest.raises(torch.OutOfMemoryError):
        seen.run(2, lambda text: None)
    timeline, _ = seen.timeline({})
    assert seen.phase is Phase.OPTIMIZER
    assert timeline.marks[-1].phase is Phase.OPTIMIZER
    alive = set(timeline.trace) - {~entry for entry in timeline.trace}
    gradients = [b for b in alive if b >= 0 and timeline.blocks[b].category is Category.GRADIENTS]
    weights = sum(p.numel() * 4 for p in run.model.parameters())
    assert sum(timeline.blocks[b].bytes for b in gradients) == weights


def test_sizes_as_they_were_asked_for_never_exceed_the_block():
    taken = [
        Item(time=n, order=n, kind=MEMORY, thread=1, bytes=size, address=7)
        for n, size in enumerate((512, -512, 1024, -1024, 512))
    ]
    found = _as_requested(taken, {7: [300, 5000]})
    assert [item.bytes for item in found] == [300, -512, 1024, -1024, 512]


def test_a_gpu_is_watched_without_its_kernels(monkeypatch):
    asked = {}

    class Stopped(Exception):
        pass

    def profile(**options):
        asked.update(options)
        raise Stopped

    monkeypatch.setattr(observe, "profile", profile)
    monkeypatch.setattr(observe.allocator_trace, "start", lambda: None)
    monkeypatch.setattr(observe.allocator_trace, "stop", lambda: None)
    recipe = tiny_recipe("llama")
    real = set_up(materialise(on_meta("llama", recipe), recipe, "cpu"), recipe, "cpu", component_of)
    with pytest.raises(Stopped):
        Observation(real, "cuda").run(1, lambda text: None)
    assert asked == {"activities": [torch.profiler.ProfilerActivity.CPU], "profile_memory": True}
