"""What CUDA does that meta does not, row by row, against PyTorch's and bitsandbytes' documentation."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from anatomy.memory.timeline import Block, Category, Phase, Timeline
from anatomy.rehearsal.cuda import Stage, Target, acting
from anatomy.rehearsal.kernels.cublas import DEFAULT, HOPPER, Workspaces, workspace_bytes
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.recipe import Recipe


def stage(**target: object) -> Stage:
    return Stage(target=Target(**target))  # type: ignore[arg-type]


def meta(*shape: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta", requires_grad=grad)


def llama(**facts: object) -> torch.nn.Module:
    config = transformers.LlamaConfig(
        vocab_size=256,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        **facts,  # type: ignore[arg-type]
    )
    with torch.device("meta"):
        model: torch.nn.Module = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    return model


def timeline(model: torch.nn.Module, **changes: object) -> Timeline:
    recipe = Recipe(**{"method": "full", "seq_len": 2048, **changes})  # type: ignore[arg-type]
    return rehearse(model, recipe, component_of=lambda _: "").timeline


# https://docs.pytorch.org/docs/stable/amp.html, "CUDA Op-Specific Behavior"
LOW_PRECISION: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "matmul": lambda x: x @ x,
    "mm": lambda x: torch.mm(x, x),
    "bmm": lambda x: torch.bmm(x[None], x[None]),
    "addmm": lambda x: torch.addmm(x, x, x),
    "linear": lambda x: functional.linear(x, x),
    "conv1d": lambda x: functional.conv1d(x[None], x[:, :, None]),
    "prelu": lambda x: functional.prelu(x, x[0, :1]),
}
FULL_PRECISION: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "softmax": lambda x: functional.softmax(x, dim=-1),
    "log_softmax": lambda x: functional.log_softmax(x, dim=-1),
    "layer_norm": lambda x: functional.layer_norm(x, (8,)),
    "mse_loss": lambda x: functional.mse_loss(x, x),
    "pow": lambda x: x.pow(2),
    "rsqrt": lambda x: x.rsqrt(),
    "exp": lambda x: x.exp(),
    "sum": lambda x: x.sum(),
    "cumsum": lambda x: x.cumsum(0),
    "norm": lambda x: torch.linalg.vector_norm(x),
}


@pytest.mark.parametrize("name", LOW_PRECISION)
def test_autocast_runs_these_in_low_precision(name: str) -> None:
    with acting(stage()), torch.autocast("meta", torch.bfloat16):
        assert LOW_PRECISION[name](meta(8, 8)).dtype == torch.bfloat16
    with acting(stage()):
        assert LOW_PRECISION[name](meta(8, 8)).dtype == torch.float32


@pytest.mark.parametrize("name", FULL_PRECISION)
def test_autocast_runs_these_in_fp32(name: str) -> None:
    with acting(stage()), torch.autocast("cuda", torch.float16):
        assert FULL_PRECISION[name](meta(8, 8, dtype=torch.float16)).dtype == torch.float32


def test_autocast_can_be_switched_off_inside_and_is_asked_by_device() -> None:
    with acting(stage()), torch.autocast("cuda", torch.bfloat16):
        assert torch.is_autocast_enabled("meta")
        assert torch.get_autocast_dtype("cuda") == torch.bfloat16
        with torch.autocast("meta", enabled=False):
            assert functional.linear(meta(8, 8), meta(8, 8)).dtype == torch.float32
        assert functional.linear(meta(8, 8), meta(8, 8)).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cuda")


class Casts(TorchDispatchMode):
    """Counts copies to another dtype."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._to_copy.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("trained", "casts"), [(True, 1), (False, 3)])
def test_autocast_casts_a_trained_weight_once_and_a_frozen_one_each_time(trained: bool, casts: int) -> None:
    """autocast_mode.cpp, cached_cast(): only fp32 leaves that require a gradient are kept."""
    weight, inputs = meta(8, 8, grad=trained), meta(8, 8, dtype=torch.bfloat16)
    with acting(stage()), Casts() as seen, torch.autocast("cuda", torch.bfloat16):
        for _ in range(3):
            functional.linear(inputs, weight)
    assert seen.count == casts


def _born(recorded: Timeline, phase: Phase) -> list[Block]:
    return [e.block for e in recorded.events() if e.born and e.phase is phase]


def test_nothing_of_cuda_stays_behind() -> None:
    before = torch.autocast
    with acting(stage()):
        assert torch.autocast is not before
    assert torch.autocast is before
    with pytest.raises(RuntimeError):
        torch.autocast("meta", torch.bfloat16)
    q = meta(1, 2, 16, 64, dtype=torch.bfloat16, grad=True)
    out = functional.scaled_dot_product_attention(q, q, q)
    assert "Flash" not in type(out.grad_fn).__name__


def test_dropout_keeps_a_mask_of_one_byte() -> None:
    model = llama(attention_dropout=0.0)
    recorded = timeline(model, method="lora", dropout=0.1, gradient_checkpointing="off")
    masks = [
        b for b in recorded.blocks if b.op == "aten.native_dropout" and b.category is Category.ACTIVATIONS
    ]
    assert {b.bytes for b in masks if b.bytes == 2048 * 256} == {2048 * 256}
    assert not [b for b in recorded.blocks if b.op == "aten.bernoulli_"]


def test_half_precision_softmax_to_fp32_makes_no_copy_of_its_input() -> None:
    """SoftMax.cpp: fp16 with dtype=float32 is one kernel; bf16 is cast first."""
    with acting(stage()):
        names = {}
        for dtype in (torch.float16, torch.bfloat16):
            out = functional.softmax(meta(4, 4, dtype=dtype, grad=True), dim=-1, dtype=torch.float32)
            assert out.dtype == torch.float32
            names[dtype] = type(out.grad_fn.next_functions[0][0]).__name__  # type: ignore[union-attr]
    assert names == {torch.float16: "AccumulateGrad", torch.bfloat16: "ToCopyBackward0"}


def test_rms_norm_is_one_kernel() -> None:
    x, weight = meta(16, 8, grad=True), meta(8, grad=True)
    with acting(stage()):
        functional.rms_norm(x, (8,), weight).sum().backward()
    assert x.grad is not None
    assert weight.grad is not None
    assert weight.grad.shape == (8,)


@pytest.mark.parametrize(
    ("capability", "version", "size"),
    [
        ((8, 0), (2, 13), 8_519_680),
        ((8, 9), (2, 10), 8_519_680),
        ((9, 0), (2, 10), 33_554_432),
        ((9, 0), (2, 13), 33_554_432),
        ((10, 0), (2, 11), 8_519_680),
        ((10, 0), (2, 12), 33_554_432),
    ],
)
def test_cublas_workspace_sizes(capability: tuple[int, int], version: tuple[int, int], size: int) -> None:
    """The 16 MiB beside fms-acceleration's A100 measurements are two of 8,519,680; Hopper's default is 32 MiB."""
    assert workspace_bytes(capability, version) == size
    assert size in (DEFAULT, HOPPER)


def test_each_thread_takes_one_workspace_once() -> None:
    taken = Workspaces((8, 0), (2, 13))
    ops = [
        ("aten.mm", False),
        ("aten.addmm", False),
        ("aten.silu", True),
        ("aten.bmm", True),
        ("aten.mm", True),
    ]
    assert [taken.before(*op) for op in ops] == [
        [(DEFAULT, "cublas workspace")],
        [],
        [],
        [(DEFAULT, "cublas workspace")],
        [],
    ]


def test_a_rehearsal_holds_two_workspaces() -> None:
    kept = [b for b in timeline(llama()).blocks if b.op == "cublas workspace"]
    assert [b.bytes for b in kept] == [DEFAULT, DEFAULT]


def test_a_4bit_product_dequantizes_its_weight_where_bitsandbytes_says() -> None:
    """bitsandbytes 0.50: past 1,536 rows the weight is written out in 16 bits and multiplied, below one kernel runs."""
    weight = 256 * 512 * 2

    def dequantized(rows: int) -> int:
        recorded = timeline(llama(), method="qlora", seq_len=rows, gradient_checkpointing="off")
        return sum(b.bytes == weight and b.op == "aten.empty" for b in _born(recorded, Phase.FORWARD))

    assert dequantized(2048) == 2 * 2 * 3  # gate, up, down in two layers, in two steps
    assert dequantized(4) == 0


@pytest.mark.parametrize(("padded", "kernel"), [(False, "flash"), (True, "efficient")])
def test_padding_needs_a_mask_and_a_mask_another_kernel(padded: bool, kernel: str) -> None:
    """Flash attention takes no mask (sdp_utils.cpp); the mask's own values say that there is padding."""
    recipe = Recipe(method="lora", seq_len=128, batch_size=2, padded=padded)
    rehearsal = rehearse(llama(), recipe, component_of=lambda _: "")
    assert f"attention kernel: {kernel}" in rehearsal.assumptions


def test_two_rehearsals_in_one_process_are_alike() -> None:
    """bitsandbytes keeps a code book in a global once it was made."""
    first, second = (timeline(llama(), method="qlora", seq_len=64) for _ in range(2))
    assert first == second


@pytest.mark.slow
def test_a_full_fine_tune_before_it_changes_no_qlora() -> None:
    """In a fresh process, where the first rehearsal has not needed bitsandbytes and the second does."""
    program = """
import torch, transformers
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.recipe import Recipe
def run(method):
    config = transformers.LlamaConfig(vocab_size=256, hidden_size=256, intermediate_size=512, num_hidden_layers=1,
        num_attention_heads=4, num_key_value_heads=4)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    return rehearse(model, Recipe(method=method), component_of=lambda _: "").timeline
first, second = (run(m) for m in METHODS)
print(len(second.blocks), sum(b.op == "aten.empty" and b.bytes == 256 * 512 * 2 for b in second.blocks))
"""
    printed = [
        subprocess.run(
            [sys.executable, "-c", program.replace("METHODS", repr(methods))],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        ).stdout.split()
        for methods in (("full", "qlora"), ("qlora", "qlora"))
    ]
    assert printed[0] == printed[1]
    assert int(printed[0][1]) > 0


def test_a_model_that_switches_autocast_off_is_heard() -> None:
    """Rotary frequencies and routers are computed in fp32: transformers asks by the tensors' device, here meta."""
    from transformers.utils.generic import maybe_autocast

    from anatomy.rehearsal.kernels.autocast import meta_autocast

    code = maybe_autocast.__code__
    tensor = torch.empty(4, 4, device="meta")
    with meta_autocast(), torch.autocast("meta", dtype=torch.bfloat16):
        assert (tensor @ tensor).dtype == torch.bfloat16
        with maybe_autocast(device_type="meta", enabled=False):
            assert (tensor @ tensor).dtype == torch.float32
        with maybe_autocast(device_type="meta", dtype=torch.float16):
            assert (tensor @ tensor).dtype == torch.float16
    assert maybe_autocast.__code__ is code
