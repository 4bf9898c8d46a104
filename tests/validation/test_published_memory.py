"""Measurements that others published, reproduced from a rehearsal with the versions installed here."""

from collections import Counter
from functools import cache

import pytest

from anatomy.hardware.catalog import lookup
from anatomy.memory.allocator import Replay
from anatomy.memory.timeline import Category, Phase
from anatomy.units import GIB
from anatomy.validation.published import Row, rows
from anatomy.validation.published.predict import Prediction, predict, rehearse_row, replay_row


def published(name: str) -> Row:
    return next(row for row in rows() if row.id == name)


@cache
def prediction(name: str) -> Prediction:
    return predict(published(name))


@cache
def replayed(name: str) -> Replay:
    row = published(name)
    return replay_row(row, rehearse_row(row, lookup(row.gpu)))


def gib(size: int | None) -> float:
    assert size is not None
    return size / GIB


def alive_after(replay: Replay, phase: Phase) -> Counter[Category]:
    """Requested bytes of each category when the last `phase` has ended."""
    marks = replay.timeline.marks
    at = max(i for i, mark in enumerate(marks) if mark.phase is phase)
    end = marks[at + 1].at if at + 1 < len(marks) else len(replay.timeline.trace)
    levels: Counter[Category] = Counter()
    for entry in replay.timeline.trace[:end]:
        block = replay.timeline.blocks[entry if entry >= 0 else ~entry]
        levels[block.category] += block.bytes if entry >= 0 else -block.bytes
    return levels


@pytest.mark.parametrize("name", ["fms main 8", "fms main 10"])
def test_full_fine_tune_peaks_in_the_optimizer_step_whatever_the_batch(name: str) -> None:
    # Mistral-7B, bf16, AdamW foreach, batch 4 and 8 x 4096, checkpointing: 72,434,837,504 and 72,435,230,720 B.
    found = prediction(name)
    assert gib(found.figures["peak allocated"]) == pytest.approx(67.46, abs=0.05)
    assert gib(found.figures["resting"]) == pytest.approx(40.48, abs=0.05)
    assert found.peak.startswith("in the optimizer step")


def test_lora_at_the_cap_from_an_emptied_cache() -> None:
    # Llama-3.2-3B, LoRA r32 on q and v, batch 4, no checkpointing: 22,292,725,760 B reserved.
    found = prediction("peft lora-rank32").figures["peak reserved"]
    assert gib(found) == pytest.approx(20.762, rel=0.03)


def test_a_higher_rank_costs_weights_gradients_and_two_moments_in_fp32() -> None:
    # 18,350,080 - 9,175,040 more adapter parameters, 16 B each.
    low, high = (prediction(f"peft lora-rank{r}").figures["resting with gradients"] for r in (32, 64))
    assert high - low == 146_800_640


def test_full_fine_tune_rests_at_eight_bytes_a_parameter() -> None:
    # Llama-3.2-3B in bf16: 3,212,749,824 weights, as many gradients, twice as many moments.
    levels = alive_after(replayed("peft full-finetuning-lr_0.00001"), Phase.OPTIMIZER)
    kept = levels[Category.WEIGHTS] + levels[Category.GRADIENTS] + levels[Category.OPTIMIZER]
    assert kept / 3_212_749_824 == pytest.approx(8, abs=0.01)


def test_qlora_rests_at_four_bits_with_embeddings_and_head_in_sixteen() -> None:
    # Mistral-7B in nf4 with double quantization, LoRA r16 on q, k, v, o: 4,306,496,512 B.
    found = prediction("fms main 76").figures["resting"]
    assert gib(found) == pytest.approx(4.011, rel=0.002)
    levels = alive_after(replayed("fms main 76"), Phase.ZERO_GRAD)
    assert levels[Category.WORKSPACES] == 2 * 8_519_680
