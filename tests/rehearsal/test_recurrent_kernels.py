"""Fused kernels of recurrent layers: what their autograd functions save, as their sources say, and which one runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from anatomy.errors import RehearsalError
from anatomy.memory.allocator import replay
from anatomy.rehearsal.kernels.recurrent.causal_conv import causal_conv1d_fn
from anatomy.rehearsal.kernels.recurrent.fused import FUSED, implementations
from anatomy.rehearsal.kernels.recurrent.mamba_inner import mamba_inner_fn
from anatomy.rehearsal.kernels.recurrent.selective_scan import CHUNK, selective_scan_fn
from anatomy.rehearsal.rehearse import Rehearsal, rehearse
from anatomy.training.recipe import Recipe

BATCH, DIM, LENGTH, STATE, RANK, HIDDEN = 2, 24, 5000, 8, 3, 12
BF16, FP32 = torch.bfloat16, torch.float32

Saved = list[tuple[tuple[int, ...], torch.dtype]]


def leaf(*shape: int, dtype: torch.dtype = BF16) -> Tensor:
    return torch.empty(*shape, dtype=dtype, device="meta", requires_grad=True)


@contextmanager
def saved() -> Iterator[Saved]:
    """What is saved for backward."""
    found: Saved = []

    def pack(tensor: Tensor) -> Tensor:
        found.append((tuple(tensor.shape), tensor.dtype))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found


def test_the_scan_saves_its_inputs_its_output_and_a_state_per_chunk() -> None:
    """SelectiveScanFn.forward: u, delta, A, B, C, D, z, delta_bias, x, out; x is (batch, dim, chunks, 2 state) of A's dtype."""
    wide, states = (BATCH, DIM, LENGTH), (BATCH, STATE, LENGTH)
    u, delta, z = (leaf(*wide) for _ in range(3))
    A, D, bias = leaf(DIM, STATE, dtype=FP32), leaf(DIM, dtype=FP32), leaf(DIM, dtype=FP32)
    B, C = leaf(*states), leaf(*states)
    with saved() as kept:
        out = selective_scan_fn(u, delta, A, B, C, D=D, z=z, delta_bias=bias, delta_softplus=True)
    chunks = -(-LENGTH // CHUNK)
    assert kept == [
        *[(wide, BF16)] * 2,
        ((DIM, STATE), FP32),
        *[(states, BF16)] * 2,
        ((DIM,), FP32),
        (wide, BF16),
        ((DIM,), FP32),
        ((BATCH, DIM, chunks, 2 * STATE), FP32),
        (wide, BF16),
    ]
    assert chunks == 3
    check_gradients(out, wide, (u, delta, A, B, C, D, z, bias))


def test_the_scan_takes_one_dtype() -> None:
    u, delta, B, C = leaf(1, 4, 8), leaf(1, 4, 8, dtype=FP32), leaf(1, 2, 8), leaf(1, 2, 8)
    with pytest.raises(RehearsalError, match="one dtype"):
        selective_scan_fn(u, delta, leaf(4, 2, dtype=FP32), B, C)


def test_the_convolution_saves_its_input() -> None:
    """CausalConv1dFn.forward: x, weight, bias."""
    x, weight, bias = leaf(BATCH, DIM, LENGTH), leaf(DIM, 4), leaf(DIM)
    with saved() as kept:
        out = causal_conv1d_fn(x, weight, bias, activation="silu")
    assert kept == [((BATCH, DIM, LENGTH), BF16), ((DIM, 4), BF16), ((DIM,), BF16)]
    check_gradients(out, tuple(x.shape), (x, weight, bias))


def test_the_mixer_saves_neither_convolution_nor_steps() -> None:
    """MambaInnerFn.forward with checkpoint_lvl=1: conv1d_out and delta are computed again."""
    rows = BATCH * LENGTH
    xz, conv, conv_bias = leaf(BATCH, 2 * DIM, LENGTH), leaf(DIM, 1, 4), leaf(DIM)
    x_weight, dt_weight, out_weight = leaf(RANK + 2 * STATE, DIM), leaf(DIM, RANK), leaf(HIDDEN, DIM)
    A, D, dt_bias = leaf(DIM, STATE, dtype=FP32), leaf(DIM, dtype=FP32), leaf(DIM, dtype=FP32)
    with saved() as kept:
        out = mamba_inner_fn(
            xz, conv, conv_bias, x_weight, dt_weight, out_weight, None, A, None, None, D, delta_bias=dt_bias
        )
    assert kept == [
        ((BATCH, 2 * DIM, LENGTH), BF16),
        ((DIM, 4), BF16),
        ((DIM,), BF16),
        ((rows, RANK + 2 * STATE), BF16),
        ((RANK + 2 * STATE, DIM), BF16),
        ((DIM, RANK), BF16),
        ((HIDDEN, DIM), BF16),
        ((DIM, STATE), FP32),
        *[((BATCH, 1, STATE, LENGTH), BF16)] * 2,
        ((DIM,), FP32),
        ((DIM,), FP32),
        ((BATCH, DIM, 3, 2 * STATE), FP32),
        ((BATCH, DIM, LENGTH), BF16),
    ]
    inputs = (xz, conv, conv_bias, x_weight, dt_weight, out_weight, A, D, dt_bias)
    check_gradients(out, (BATCH, LENGTH, HIDDEN), inputs)


def check_gradients(out: Tensor, shape: tuple[int, ...], inputs: tuple[Tensor, ...]) -> None:
    assert tuple(out.shape) == shape
    out.backward(torch.empty_like(out))
    for tensor in inputs:
        assert tensor.grad is not None
        assert (tensor.grad.shape, tensor.grad.dtype) == (tensor.shape, tensor.dtype)


def run(choice: str, **choices: Any) -> Rehearsal:
    config = transformers.MambaConfig(vocab_size=512, hidden_size=64, state_size=8, num_hidden_layers=2)
    with torch.device("meta"):
        model = transformers.MambaForCausalLM(config)
    settings = {"method": "full", "precision": "bf16", "seq_len": 256, "recurrent_kernels": choice, **choices}
    return rehearse(model, Recipe(**settings), component_of=lambda _: "")


@pytest.mark.parametrize("precision", ["bf16", "bf16-mixed", "fp32"])
def test_what_runs_is_said(precision: str) -> None:
    fused, slow = (run(choice, precision=precision) for choice in ("fused", "torch"))
    assert sum(said.startswith("mamba_inner_fn: the fused kernel") for said in fused.assumptions) == 1
    assert not any("in torch" in said for said in fused.assumptions)
    assert any(said.startswith("causal_conv1d_fn: in torch") for said in slow.assumptions)
    assert any("token by token in torch" in said for said in slow.assumptions)
    peaks = [replay(rehearsal.timeline).peak_allocated_bytes for rehearsal in (fused, slow)]
    assert peaks[0] < peaks[1]


def test_kernels_that_are_not_known_are_refused() -> None:
    config = transformers.Mamba2Config(
        vocab_size=128,
        hidden_size=32,
        num_hidden_layers=1,
        num_heads=4,
        head_dim=16,
        state_size=8,
        n_groups=1,
    )
    with torch.device("meta"):
        model = transformers.Mamba2ForCausalLM(config)
    recipe = Recipe(method="full", precision="bf16", seq_len=32, recurrent_kernels="fused")
    with pytest.raises(RehearsalError, match="is not known"):
        rehearse(model, recipe, component_of=lambda _: "")


@pytest.mark.parametrize("found", [True, False], ids=["installed", "absent"])
def test_installed_is_what_transformers_found(monkeypatch: pytest.MonkeyPatch, found: bool) -> None:
    """Told by the function that transformers' own decorator makes."""
    from transformers.integrations.hub_kernels import use_kernel_func_from_hub_with_fallback

    package = ModuleType("made_package")
    if found:
        vars(package)["causal_conv1d_fn"] = lambda x, weight, bias=None: "the package's"
        monkeypatch.setitem(sys.modules, package.__name__, package)

    def in_torch(x: Any, weight: Any, bias: Any = None) -> str:
        return "torch's"

    decorate = use_kernel_func_from_hub_with_fallback("causal_conv1d_fn", "made_package")
    module = ModuleType("transformers.models.made.modeling_made")
    vars(module)["convolve"] = decorate(in_torch)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    x, weight = leaf(1, 4, 16), leaf(4, 2)
    outcomes = {}
    for choice in ("installed", "torch", "fused"):
        said: dict[str, None] = {}
        with implementations(choice, said):  # type: ignore[arg-type]
            outcomes[choice] = isinstance(module.convolve(x, weight), Tensor)
        assert len(said) == 1
        assert ("fused" in next(iter(said))) == outcomes[choice]
    assert outcomes == {"installed": found, "torch": False, "fused": True}


def test_stand_ins_name_their_versions() -> None:
    assert all(any(map(str.isdigit, row.package)) for row in FUSED.values() if row.stand_in)
