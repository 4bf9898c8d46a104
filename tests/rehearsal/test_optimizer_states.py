"""Bytes of optimizer states for a parameter, against what the optimizers' authors state."""

import pytest
import torch
import transformers

from anatomy.memory.footprint import footprint
from anatomy.memory.timeline import Category, Phase
from anatomy.rehearsal.rehearse import Rehearsal, rehearse
from anatomy.training.recipe import Recipe
from anatomy.units import format_bytes

# Bytes a parameter of the linear layers, in bf16 training (states take the weights' dtype in torch, 1 byte and a
# scale for 256 in bitsandbytes' 8-bit optimizers, 4 bytes in its 32-bit ones).
# torch.optim docs (exp_avg, exp_avg_sq; sum; square_avg); Dettmers et al. 2022 (arXiv:2110.02861): 2 bytes for 8-bit
# Adam instead of 8; Chen et al. 2023 (arXiv:2302.06675): one moment for Lion; Pagliardini et al. 2024
# (arXiv:2409.03137): three for AdEMAMix, of which bitsandbytes keeps two in one tensor.
STATED = {
    "adamw_torch": 4,
    "adamw_torch_fused": 4,
    "sgd": 0,
    "adagrad": 2,
    "rmsprop": 2,
    "adamw_8bit": 2 * (1 + 4 / 256),
    "lion_8bit": 1 + 4 / 256,
    "lion_32bit": 4,
    "ademamix": 12,
    "ademamix_8bit": 3 * (1 + 4 / 256),
    "rmsprop_bnb_8bit": 1 + 4 / 256,
}


def rehearsed(optimizer: str, **changes: object) -> Rehearsal:
    config = transformers.LlamaConfig(
        vocab_size=256,
        hidden_size=512,
        intermediate_size=1024,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    recipe = Recipe(**{"method": "full", "optimizer": optimizer, "seq_len": 64, **changes})  # type: ignore[arg-type]
    return rehearse(model, recipe, component_of=lambda _: "")


def state_bytes(rehearsal: Rehearsal) -> int:
    return sum(b.bytes for b in rehearsal.timeline.blocks if b.category is Category.OPTIMIZER)


LINEAR = 2 * (4 * 512 * 512 + 3 * 512 * 1024)
"""Parameters of the seven linear layers in each of two blocks."""
REST = 2 * 256 * 512 + 5 * 512
"""Embedding, head and norms: embeddings get 32-bit states, small tensors as well."""


@pytest.mark.parametrize("optimizer", STATED)
def test_states_take_what_is_stated(optimizer: str) -> None:
    found = state_bytes(rehearsed(optimizer))
    expected = STATED[optimizer] * LINEAR
    assert expected <= found <= expected + 12 * REST + 20_000


@pytest.mark.parametrize("optimizer", ["paged_adamw_32bit", "paged_adamw_8bit", "paged_lion_32bit"])
def test_paged_states_are_off_the_device(optimizer: str) -> None:
    paged = rehearsed(optimizer)
    resident = rehearsed(optimizer.removeprefix("paged_").replace("adamw_32bit", "adamw_torch"))
    assert state_bytes(paged) < 0.25 * max(state_bytes(resident), 4 * LINEAR)
    assert any("paged" in line for line in paged.not_modelled)
    assert paged.paged_bytes >= (1 if "8bit" in optimizer or "lion" in optimizer else 8) * LINEAR
    said = next(line for line in paged.assumptions if "unified memory" in line)
    assert said.startswith(format_bytes(paged.paged_bytes))


@pytest.mark.parametrize(("optimizer", "copies"), [("sgd", 1), ("rmsprop", 1), ("adagrad", 0)])
def test_weight_decay_that_is_not_decoupled_copies_the_gradients(optimizer: str, copies: int) -> None:
    """torch/optim: sgd and rmsprop add the decay to a copy of all gradients; adagrad has one anyway, for its update."""

    def peak(decay: float) -> int:
        run = rehearsed(optimizer, max_grad_norm=0.0, weight_decay=decay)
        return footprint(run.timeline).phase_peaks[Phase.OPTIMIZER]

    assert peak(0.1) - peak(0.0) == pytest.approx(copies * 2 * (LINEAR + REST), rel=0.02)


def test_an_optimizer_in_backward_never_has_all_gradients() -> None:
    usual = rehearsed("adamw_torch_fused", max_grad_norm=0.0)
    at_once = rehearsed("adamw_torch_fused", max_grad_norm=0.0, optimizer_in_backward=True)
    assert state_bytes(at_once) == state_bytes(usual)
    saved = (
        footprint(usual.timeline).resting[Phase.BACKWARD]
        - footprint(at_once.timeline).resting[Phase.BACKWARD]
    )
    assert saved == pytest.approx(2 * (LINEAR + REST), rel=0.001)
    assert any("torchtune" in line for line in at_once.assumptions)


def test_fused_adam_has_no_temporary_and_foreach_has_one_of_all_parameters() -> None:
    """fms-acceleration's A100 runs: 10 bytes a parameter at the peak of a bf16 AdamW foreach step, 8 without."""

    def peak_of_step(optimizer: str) -> int:
        return footprint(rehearsed(optimizer, max_grad_norm=0.0).timeline).phase_peaks[Phase.OPTIMIZER]

    parameters = LINEAR + REST
    workspaces = 2 * 8_519_680
    assert peak_of_step("adamw_torch_fused") - workspaces == pytest.approx(8 * parameters, rel=0.01)
    assert peak_of_step("adamw_torch") - workspaces == pytest.approx(10 * parameters, rel=0.01)


def test_later_micro_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three are rehearsed for many: with five rehearsed in full, the peak is the same but for the batches' ids."""
    short = footprint(rehearsed("adamw_torch", grad_accum=5).timeline)
    monkeypatch.setattr("anatomy.rehearsal.rehearse.MICRO_BATCHES", 5)
    whole = footprint(rehearsed("adamw_torch", grad_accum=5).timeline)
    ids = 2 * 3 * 512 + 512
    assert 0 <= whole.peak_allocated_bytes - short.peak_allocated_bytes <= ids
    assert whole.phase_peaks[Phase.OPTIMIZER] - short.phase_peaks[Phase.OPTIMIZER] <= ids


def test_an_8_bit_run_is_the_same_after_another_one() -> None:
    """bitsandbytes keeps what the Trainer said of embeddings by the parameters' positions, for the whole process."""
    first = state_bytes(rehearsed("adamw_8bit", method="lora", r=64))
    state_bytes(rehearsed("adamw_8bit"))
    assert state_bytes(rehearsed("adamw_8bit", method="lora", r=64)) == first
