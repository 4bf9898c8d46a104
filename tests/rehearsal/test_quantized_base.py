"""A base that bitsandbytes quantizes: the program that it runs on the CPU, and what CUDA's kernels do beside."""

import logging
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from families import make, tiny_recipe
from test_against_profiler import levels_of, rehearsed

from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.profiling.weights import materialise
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.recipe import Recipe

QLORA = tiny_recipe("llama", method="qlora")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _one_rng_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpointing saves the CPU generator's 5,056 bytes for each block: on the host, on a GPU run too."""
    state = torch.get_rng_state()
    monkeypatch.setattr(torch, "get_rng_state", lambda: state)


def _make(recipe: Recipe, device: str = "meta") -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, recipe.weight_dtype))
    try:
        return make("llama", device)
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize(
    "changes",
    [
        {"gradient_checkpointing": "off"},
        {"gradient_checkpointing": "reentrant", "kbit_prepare": "peft"},
        {"gradient_checkpointing": "non-reentrant", "adapter_dtype": "bf16"},
    ],
    ids=lambda changes: changes["gradient_checkpointing"],
)
def test_int8_levels_agree_without_any_mode(changes: dict[str, Any]) -> None:
    """bitsandbytes' own program of the CPU: the weight is dequantized in forward and in backward."""
    recipe = replace(QLORA, quant_type="int8", **changes)
    real = levels_of(materialise(_make(recipe), recipe, "cpu"), recipe)
    predicted = rehearsed("llama", recipe)
    assert len(real) == len(predicted)
    for (phase, end, peak), (named, predicted_end, predicted_peak) in zip(real, predicted, strict=True):
        assert phase == named
        wrapped = end - predicted_end  # Python numbers that autograd saves, 8 bytes each
        assert wrapped % 8 == 0
        assert 0 <= wrapped <= (50 * 8 if phase == "forward" else 0)
        assert peak == pytest.approx(predicted_peak, rel=0.002)


@pytest.mark.parametrize(
    "changes",
    [
        {"quant_type": "fp4", "quant_block_size": 256, "quant_storage": "bfloat16"},
        {"double_quant": False, "quant_skip": ("q_proj", "lm_head"), "method": "qdora"},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_levels_between_phases_agree(changes: dict[str, Any]) -> None:
    """Kernels of 4 bits dequantize into scratch of their own on the CPU: only what is kept is compared."""
    recipe = replace(QLORA, **changes)
    real = levels_of(materialise(_make(recipe), recipe, "cpu"), recipe)
    for (phase, end, _), (_, predicted, _) in zip(real, rehearsed("llama", recipe), strict=True):
        assert 0 <= end - predicted <= (50 * 8 if phase == "forward" else 0)


@pytest.mark.parametrize("kind", ["base", "bf16", "peft"])
def test_adapters_of_a_bf16_model_have_the_dtype_that_is_asked_for(kind: str) -> None:
    recipe = replace(QLORA, method="dora", precision="bf16", adapter_dtype=kind)
    real = levels_of(_make(recipe, "cpu"), recipe)
    for (phase, end, _), (_, predicted, _) in zip(
        real, rehearsed("llama", recipe, _make(recipe)), strict=True
    ):
        assert 0 <= end - predicted <= (50 * 8 if phase == "forward" else 0)


def _timeline(**changes: Any) -> Timeline:
    recipe = replace(QLORA, precision="bf16", gradient_checkpointing="off", **changes)
    return rehearse(_make(recipe), recipe, component_of=lambda _: "").timeline


def test_non_reentrant_checkpoints_keep_the_inputs_of_int8_layers() -> None:
    """bitsandbytes keeps them as attributes of its autograd function, which no checkpoint's hooks reach."""
    kept = {}
    for kind in ("non-reentrant", "reentrant"):
        recipe = replace(QLORA, quant_type="int8", precision="bf16", gradient_checkpointing=kind)
        rehearsal = rehearse(_make(recipe), recipe, component_of=lambda _: "")
        kept[kind] = [said for said in rehearsal.assumptions if "checkpoints do not free" in said]
        level = 0
        for event in rehearsal.timeline.events():
            if event.step == 2 and event.phase is Phase.BACKWARD:
                break
            level += event.block.bytes if event.born else -event.block.bytes
        kept[kind].append(level)
    tokens = recipe.batch_size * recipe.seq_len
    assert len(kept["non-reentrant"]) == 2
    assert len(kept["reentrant"]) == 1
    # Of three blocks: the inputs of q, k and v, of o, of gate and up, of down.
    assert kept["non-reentrant"][-1] - kept["reentrant"][-1] > tokens * 3 * (64 + 64 + 64 + 128)


def _born(timeline: Timeline, phase: Phase, module: str) -> Counter[int]:
    events = (e for e in timeline.events() if e.born and e.step == 2 and e.phase is phase)
    return Counter(e.block.bytes for e in events if e.block.module.endswith(module))


def test_an_int8_product_on_cuda_goes_through_int32_and_fp16() -> None:
    """tokens x 64 in, 128 out: bitsandbytes 0.50, backends/cuda/ops.py and backends/default/ops.py."""
    tokens, inputs, outputs = 2 * 16, 64, 128
    recipe = replace(QLORA, batch_size=2, seq_len=16)
    changes = {"quant_type": "int8", "batch_size": recipe.batch_size, "seq_len": recipe.seq_len}
    timeline = _timeline(**changes)
    forward = _born(timeline, Phase.FORWARD, "layers.0.mlp.gate_proj.base_layer")
    assert forward == Counter(
        [
            2 * tokens * inputs,  # fp16 copy of the bf16 input
            2 * tokens * inputs,  # its absolute values
            tokens * inputs,  # which of them are outliers
            1,  # whether any is
            tokens * inputs,  # the packed input
            4 * tokens,  # its scales
            4 * tokens * outputs,  # the product in int32
            2 * tokens * outputs,  # scaled, in fp16
            2 * tokens * outputs,  # in bf16
        ]
    )
    backward = _born(timeline, Phase.BACKWARD, "layers.0.mlp.gate_proj.base_layer")
    assert backward[2 * inputs * outputs] == 1  # the weight in bf16
    assert backward[4 * outputs] == 1  # its scales by 1 / 127


def test_an_int8_base_takes_a_byte_a_weight_and_four_a_row() -> None:
    packed, scales = _resting(_timeline(quant_type="int8"))
    linears = 3 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128)
    kept = 2 * (2 * 512 * 64 + 7 * 64)
    assert packed == linears + kept
    assert scales == 4 * 3 * (2 * 64 + 2 * 32 + 2 * 128 + 64)


def _resting(timeline: Timeline) -> tuple[int, int]:
    """(weights, quantization state), bytes, once the run is loaded."""
    level: Counter[Category] = Counter()
    for event in timeline.events():
        if event.step:
            break
        level[event.block.category] += event.block.bytes if event.born else -event.block.bytes
    return level[Category.WEIGHTS], level[Category.QUANTIZATION]


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_scales_belong_to_the_layer_whose_weight_they_scale(kind: str) -> None:
    """Not to the adapter that is put on it, and under the layer's name inside of that."""
    recipe = replace(QLORA, quant_type=kind, precision="bf16")
    timeline = rehearse(_make(recipe), recipe, component_of=lambda path: path).timeline
    owned: dict[Category, set[str]] = {Category.WEIGHTS: set(), Category.QUANTIZATION: set()}
    for event in timeline.events():
        if not event.step and event.block.category in owned and "_proj" in event.block.module:
            owned[event.block.category].add(event.block.component)
            assert event.block.module.endswith("_proj.base_layer")
    assert len(owned[Category.WEIGHTS]) == 7 * 3
    assert owned[Category.QUANTIZATION] == owned[Category.WEIGHTS]


@pytest.mark.parametrize("block", [32, 64, 4096])
def test_a_block_of_4_bit_weights_has_one_scale(block: int) -> None:
    _, scales = _resting(_timeline(double_quant=False, quant_block_size=block))
    blocks = 3 * sum(-(-n // block) for n in (64 * 64, 64 * 64, 64 * 32, 64 * 32, *[64 * 128] * 3))
    books = 7 * 3 * 16 * 4  # each layer's code book of 16 numbers
    assert scales == 4 * blocks + books


def test_the_storage_dtype_changes_no_byte() -> None:
    one, other = (_resting(_timeline(quant_storage=name)) for name in ("uint8", "float32"))
    assert one == other


def test_a_skip_list_replaces_the_head() -> None:
    """transformers 5.23, quantizers/base.py: with a list of one's own, the head is quantized like any other."""
    packed, _ = _resting(_timeline(quant_skip=("q_proj", "lm_head")))
    linears = 3 * (64 * 64 + 2 * 64 * 32 + 3 * 64 * 128)
    assert packed == linears // 2 + 2 * (3 * 64 * 64 + 2 * 512 * 64 + 7 * 64)
    assert _resting(_timeline(quant_skip=("q_proj",)))[0] == packed - 512 * 64 * 2 + 512 * 64 // 2


def test_the_k_bit_preparations_differ_in_embeddings_and_head() -> None:
    mixed = replace(QLORA, precision="bf16-mixed", load_dtype="bf16")
    rests = {
        kind: _resting(
            rehearse(_make(mixed), replace(mixed, kbit_prepare=kind), component_of=lambda _: "").timeline
        )[0]
        for kind in ("off", "peft", "trl")
    }
    assert rests["peft"] - rests["off"] == 2 * (2 * 512 * 64 + 7 * 64)
    assert rests["trl"] - rests["off"] == 2 * 7 * 64  # norms stay in fp32


def test_adapters_in_16_bits_halve_weights_gradients_and_states() -> None:
    trained = {
        kind: _adapters(_timeline(adapter_dtype=kind, optimizer="adamw_torch")) for kind in ("peft", "bf16")
    }
    assert trained["peft"] == 2 * trained["bf16"] > 0


def _adapters(timeline: Timeline) -> int:
    return sum(block.bytes for block in timeline.blocks if block.category is Category.GRADIENTS)


def test_bitsandbytes_does_not_warn_at_each_product(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _timeline(quant_type="int8")
    assert not [record for record in caplog.records if "MatMul8bitLt" in record.getMessage()]
