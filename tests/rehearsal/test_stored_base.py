"""Adapters over packed weights of a checkpoint: the program on the CPU, and what the kernels of CUDA take beside."""

from collections import Counter
from typing import Any

import pytest
import torch
import transformers
from families import make, tiny_recipe
from test_against_profiler import levels_of, rehearsed

from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.rehearse import Rehearsal, rehearse
from anatomy.training.quantized.stored.swap import keep_packed
from anatomy.training.recipe import Recipe

GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"}
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [32, 32]}

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def _make(device: str, settings: dict[str, Any]) -> Any:
    model = make("llama", device)
    model.config.quantization_config = settings
    return model


@pytest.mark.parametrize("checkpointing", ["off", "reentrant"])
def test_gptq_levels_agree_without_any_mode(checkpointing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state = torch.get_rng_state()
    monkeypatch.setattr(torch, "get_rng_state", lambda: state)
    recipe = tiny_recipe("llama", method="lora", gradient_checkpointing=checkpointing, dequantize=False)
    real_model = _make("cpu", GPTQ)
    keep_packed(real_model)
    real, predicted = levels_of(real_model, recipe), rehearsed("llama", recipe, _make("meta", GPTQ))
    assert len(real) == len(predicted)
    for (phase, end, peak), (named, predicted_end, predicted_peak) in zip(real, predicted, strict=True):
        assert phase == named
        assert 0 <= end - predicted_end <= (50 * 8 if phase == "forward" else 0)
        assert peak == pytest.approx(predicted_peak, rel=0.002)


def _over(settings: dict[str, Any], **changes: Any) -> Rehearsal:
    recipe = tiny_recipe("llama", method="lora", gradient_checkpointing="off", dequantize=False, **changes)
    return rehearse(
        _make("meta", settings), recipe, component_of=lambda _: "", target=Target(capability=(9, 0))
    )


def _born(timeline: Timeline, phase: Phase, module: str) -> Counter[int]:
    events = (e for e in timeline.events() if e.born and e.step == 2 and e.phase is phase)
    return Counter(e.block.bytes for e in events if e.block.module.endswith(module))


GATE = "layers.0.mlp.gate_proj.base_layer"
WEIGHT = 64 * 128


def test_gptqmodel_keeps_the_unpacked_weight_for_backward() -> None:
    rehearsal = _over(GPTQ, precision="fp16")
    unpacked = _born(rehearsal.timeline, Phase.FORWARD, GATE)
    # Shifted to int32; to int8, masked, less the zero points and those; scales and product in fp16.
    assert unpacked[4 * WEIGHT] >= 1
    assert unpacked[WEIGHT] == 4
    assert _born(rehearsal.timeline, Phase.BACKWARD, GATE)[4 * WEIGHT] == 0  # nothing is unpacked again
    assert any(said.startswith("21 layers stay packed") for said in rehearsal.assumptions)


def test_awq_writes_the_weight_out_again_for_every_sequence() -> None:
    rehearsal = _over(AWQ, precision="fp16", batch_size=3, seq_len=16)
    backward = _born(rehearsal.timeline, Phase.BACKWARD, GATE)
    assert backward[2 * WEIGHT] == 1
    assert backward[3 * 2 * WEIGHT] == 1


def test_fp8_weights_are_transformers_own_layers() -> None:
    rehearsal = _over(FP8, precision="bf16")
    weights = Counter(b.bytes for b in rehearsal.timeline.blocks if b.category is Category.WEIGHTS)
    assert weights[WEIGHT] == 3 * 3  # gate, up and down of three layers, a byte each
    assert _born(rehearsal.timeline, Phase.FORWARD, GATE)[2 * WEIGHT] == 0
    assert (
        _born(rehearsal.timeline, Phase.BACKWARD, GATE)[4 * WEIGHT] == 1
    )  # dequantized, in the gradient's dtype


def test_parameters_are_counted_as_those_that_packed_ones_stand_for() -> None:
    dense = rehearse(make("llama", "meta"), tiny_recipe("llama", method="lora"), component_of=lambda _: "")
    for settings in (GPTQ, AWQ, FP8):
        packed = _over(settings)
        assert packed.total_parameters == dense.total_parameters
        assert packed.trainable_parameters == dense.trainable_parameters


def test_mistral_7b_gptq_rests_where_it_was_measured() -> None:
    """fms-acceleration, scripts/benchmarks/refs/a100_80gb.csv: 4,336,806,912 B are allocated at the end of training
    LoRA r16 on q, k, v, o over TheBloke/Mistral-7B-v0.1-GPTQ (4 bits, groups of 128) under fp16 autocast."""
    config = transformers.MistralConfig(quantization_config={**GPTQ, "group_size": 128})
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float16)
    recipe = Recipe(
        method="lora",
        r=16,
        target_modules=("q_proj", "k_proj", "v_proj", "o_proj"),
        precision="fp16-mixed",
        load_dtype="fp16",
        optimizer="adamw_torch",
        seq_len=64,
        dequantize=False,
    )
    timeline = rehearse(model, recipe, component_of=lambda _: "").timeline
    rest = sum(e.block.bytes if e.born else -e.block.bytes for e in timeline.events())
    assert rest == pytest.approx(4_336_806_912, rel=0.001)
