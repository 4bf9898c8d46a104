"""A run fits where its replay on that much memory reaches the end."""

from dataclasses import replace

import pytest

from anatomy.hardware.catalog import all_gpus
from anatomy.memory.allocator import replay
from anatomy.memory.timeline import Phase
from anatomy.planning.fit import fit_all

MIB = 1 << 20


def by_gpu(plan):
    return {fit.gpu: fit for fit in plan.fits}


def test_each_verdict_where_the_allocators_rules_say(made_plan):
    """100 MiB + 40 freed + 60: 200 reserved without limit, 160 once the 40 are given back, 160 in use."""
    fits = by_gpu(made_plan)
    assert fits["Small"].verdict == "does not fit"
    assert fits["Old"].verdict == fits["Tight"].verdict == "fits after freeing cache"
    assert fits["Large"].verdict == "fits"
    assert made_plan.footprint.peak_reserved_bytes == 200 * MIB
    assert fits["Tight"].reserved_bytes == 160 * MIB


def test_headroom_is_memory_less_context_less_reserved(made_plan):
    fits = by_gpu(made_plan)
    assert fits["Large"].headroom_bytes == (1024 - 200) * MIB
    assert fits["Tight"].headroom_bytes is None  # what is free there is no margin
    assert fits["Small"].headroom_bytes == (150 - 200) * MIB
    for fit in made_plan.fits:
        assert fit.tight or (fit.headroom_bytes >= 0) == fit.fits
        assert fit.to_dict()["headroom_bytes"] == fit.headroom_bytes


def test_failure_names_the_place(made_plan):
    failure = by_gpu(made_plan)["Small"].to_dict()["fails_at"]
    assert failure["phase"] == "backward"
    assert failure["step"] == 1
    assert failure["module"] == "base_model.model.lm_head"
    assert failure["requested_bytes"] == 60 * MIB
    assert by_gpu(made_plan)["Large"].to_dict()["fails_at"] is None


def test_old_gpus_emulate_bf16_only_where_it_is_used(made_plan, made_timeline):
    assert by_gpu(made_plan)["Old"].note == "emulates bf16"
    fp16 = fit_all(made_timeline, replay(made_timeline), all_gpus(), bf16=False)
    assert not any(fit.note for fit in fp16)


def test_gpus_before_flash_attention_are_marked_unless_rehearsed_themselves(made_timeline):
    def marked(rehearsed_on):
        fits = fit_all(
            made_timeline, replay(made_timeline), all_gpus(), bf16=False, rehearsed_on=rehearsed_on
        )
        return {fit.gpu for fit in fits if "no flash attention" in fit.note}

    older = {gpu.name for gpu in all_gpus() if gpu.compute_capability in ("6.0", "7.0", "7.5")}
    assert "Tesla T4" in older
    assert marked("8.0") == older
    assert marked(None) == marked("7.5") == set()


def test_the_kernels_of_other_vendors_are_not_known(made_timeline):
    fits = fit_all(made_timeline, replay(made_timeline), all_gpus(), bf16=True, rehearsed_on="8.0")
    marked = {fit.gpu for fit in fits if "CUDA's kernels assumed" in fit.note}
    assert marked == {gpu.name for gpu in all_gpus() if gpu.vendor == "AMD"} != set()


def test_smallest_fit_is_one_without_reservations(made_plan):
    assert made_plan.smallest_fit.gpu == "Large"

    def best_of(*names):
        return replace(made_plan, fits=tuple(f for f in made_plan.fits if f.gpu in names)).smallest_fit.gpu

    assert best_of("Small", "Old", "Tight") == "Old"
    tight = by_gpu(made_plan)["Tight"]
    noted = replace(by_gpu(made_plan)["Large"], gpu="Noted", note="emulates bf16")
    assert replace(made_plan, fits=(tight, noted)).smallest_fit is noted
    assert replace(made_plan, fits=made_plan.fits[:1]).smallest_fit is None


@pytest.mark.parametrize("scale", [1, 40, 400, 2000])
def test_shortcuts_change_no_verdict(made_timeline, scale):
    """Shared and skipped replays say what a replay for each GPU would say."""
    blocks = tuple(replace(block, bytes=block.bytes * scale) for block in made_timeline.blocks)
    timeline = replace(made_timeline, blocks=blocks)
    fits = fit_all(timeline, replay(timeline), all_gpus(), bf16=True)
    assert [fit.memory_bytes for fit in fits] == sorted(gpu.memory_bytes for gpu in all_gpus())
    for fit in fits:
        alone = replay(timeline, capacity=fit.memory_bytes - fit.context_bytes)
        assert fit.fits == (alone.out_of_memory is None)
        if fit.fits:
            assert fit.reserved_bytes == alone.peak_reserved_bytes
            assert (fit.verdict == "fits") == (alone.retries == 0)
        else:
            assert fit.out_of_memory == alone.out_of_memory


def test_a_gpu_smaller_than_its_context_fails_at_once(made_timeline):
    tiny = replace(all_gpus()[0], memory_bytes=MIB)
    (fit,) = fit_all(made_timeline, replay(made_timeline), (tiny,), bf16=True)
    assert fit.out_of_memory is not None
    assert fit.out_of_memory.phase is Phase.LOAD
