"""Liger's and cut-cross-entropy's own code on meta: the blocks that their formulas state, and nothing left behind."""

import builtins
import importlib
import subprocess
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
import torch
import transformers

from anatomy.errors import RecipeError
from anatomy.memory.timeline import Block, Category, Phase
from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.kernels.kernel_packages import import_packages
from anatomy.rehearsal.kernels.triton_stand_in import launching_nothing, triton_there
from anatomy.rehearsal.rehearse import Rehearsal, rehearse
from anatomy.training.recipe import Recipe

BATCH, TOKENS, HIDDEN, VOCABULARY, LAYERS = 2, 512, 64, 4096, 2
FLOAT, BFLOAT = 4, 2
needs_liger = pytest.mark.skipif(find_spec("liger_kernel") is None, reason="liger-kernel is not installed")
needs_cut = pytest.mark.skipif(find_spec("cut_cross_entropy") is None, reason="needs cut-cross-entropy")


def model(kind: str = "llama", **changes: Any) -> Any:
    config = transformers.AutoConfig.for_model(
        kind,
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=128,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **changes,
    )
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)


def rehearsed(kind: str = "llama", target: Target | None = None, **changes: Any) -> Rehearsal:
    base: dict[str, Any] = {
        "method": "full",
        "optimizer": "sgd",
        "batch_size": BATCH,
        "seq_len": TOKENS,
        "gradient_checkpointing": "off",
    }
    recipe = Recipe(**{**base, **changes})
    built = model(kind).to(getattr(torch, recipe.weight_dtype))
    return rehearse(built, recipe, component_of=lambda _: "", target=target, steps=1)


def of_the_loss(rehearsal: Rehearsal) -> list[Block]:
    """What a step's loss took, but for numbers, and a number for every word or token."""
    assert Phase.LOSS in {mark.phase for mark in rehearsal.timeline.marks}
    blocks = [b for b in rehearsal.timeline.blocks if b.category is Category.LOGITS]
    return [b for b in blocks if b.bytes > 8 * max(VOCABULARY, BATCH * TOKENS)]


def sizes(blocks: list[Block]) -> list[int]:
    return sorted(block.bytes for block in blocks)


CHUNK = 16
"""Rows of a chunk: Liger's README and ops/fused_linear_cross_entropy.py, next power of 2 of ceil(BT / ceil(V / H))."""


@needs_liger
@pytest.mark.parametrize("method", ["full", "lora"])
def test_liger_makes_logits_of_one_chunk(method: str) -> None:
    assert CHUNK == (BATCH * TOKENS) // (VOCABULARY // HIDDEN)
    logits, of_input, of_weight = (
        CHUNK * VOCABULARY * BFLOAT,
        BATCH * TOKENS * HIDDEN * BFLOAT,
        VOCABULARY * HIDDEN * BFLOAT,
    )
    expected = [logits, of_input] + [of_weight] * (method == "full")
    assert sizes(of_the_loss(rehearsed(loss="liger", method=method))) == sorted(expected)


@needs_liger
def test_what_autocast_makes_liger_keep() -> None:
    """fp32 weights: their gradient is accumulated in fp32, and no chunk is written into a buffer of before."""
    found = sizes(of_the_loss(rehearsed(loss="liger", precision="bf16-mixed")))
    assert found.count(VOCABULARY * HIDDEN * FLOAT) == 1
    chunks = BATCH * TOKENS // CHUNK
    assert found.count(CHUNK * VOCABULARY * BFLOAT) == chunks


@needs_liger
def test_on_a_gpu_without_fast_bf16_the_weights_gradient_is_made_for_every_chunk() -> None:
    """Liger asks for compute capability 8 before it accumulates in place."""
    of_weight = VOCABULARY * HIDDEN * FLOAT
    turing = rehearsed(loss="liger", precision="fp16", target=Target(capability=(7, 5), multiprocessors=40))
    assert sizes(of_the_loss(turing)).count(of_weight) == BATCH * TOKENS // CHUNK
    assert of_weight not in sizes(of_the_loss(rehearsed(loss="liger", precision="fp16")))


@needs_liger
def test_ligers_norm_keeps_its_input_and_a_number_a_row() -> None:
    """And its weight's gradient a row for every multiprocessor, in fp32 (ops/rms_norm.py)."""
    blocks = rehearsed(liger_kernels=True).timeline.blocks
    norms = [b for b in blocks if b.module.endswith("norm")]
    assert {b.bytes for b in norms if b.category is Category.ACTIVATIONS} == {
        BATCH * TOKENS * HIDDEN * BFLOAT,
        BATCH * TOKENS * FLOAT,
    }
    assert sum(b.bytes == Target().multiprocessors * HIDDEN * FLOAT for b in norms) == 2 * LAYERS + 1
    assert not any(b.bytes == BATCH * TOKENS * HIDDEN * FLOAT for b in norms)  # transformers' own makes fp32


@needs_cut
@pytest.mark.parametrize("method", ["full", "lora"])
def test_cut_cross_entropy_makes_no_logits(method: str) -> None:
    """Its paper's claim (arXiv:2411.09009, table 1): the loss's memory is that of its gradients."""
    expected = [BATCH * TOKENS * HIDDEN * BFLOAT] + [VOCABULARY * HIDDEN * BFLOAT] * (method == "full")
    assert sizes(of_the_loss(rehearsed(loss="cut", method=method))) == sorted(expected)


@needs_cut
def test_what_cut_cross_entropy_cannot_take_is_refused() -> None:
    with pytest.raises(RecipeError, match="16-bit"):
        rehearsed(loss="cut", precision="bf16-mixed")
    with torch.device("meta"):
        bert = transformers.BertForMaskedLM(transformers.BertConfig(num_hidden_layers=1))
    with pytest.raises(RecipeError, match="next token"):
        rehearse(bert, Recipe(method="full", loss="cut", seq_len=8), component_of=lambda _: "")


@needs_liger
def test_models_that_liger_does_not_know_are_refused() -> None:
    with torch.device("meta"):
        opt = transformers.OPTForCausalLM(
            transformers.OPTConfig(num_hidden_layers=1, word_embed_proj_dim=768, hidden_size=768)
        )
    with pytest.raises(RecipeError, match="Liger has no kernels for models of type 'opt'"):
        rehearse(opt, Recipe(method="full", loss="liger", seq_len=8), component_of=lambda _: "")


@needs_liger
@pytest.mark.parametrize("kind", ["mistral", "qwen3", "gemma2", "phi3"])
def test_families_lose_their_logits(kind: str) -> None:
    stock, liger = (rehearsed(kind, loss=loss, liger_kernels=True) for loss in ("stock", "liger"))
    logits = BATCH * TOKENS * VOCABULARY * BFLOAT
    assert max(sizes(of_the_loss(stock))) == 2 * logits  # in fp32
    assert max(sizes(of_the_loss(liger))) < logits / 8


@needs_liger
def test_a_plan_with_liger_leaves_the_next_as_it_was() -> None:
    from transformers.models.llama import modeling_llama

    names, imports = dict(vars(modeling_llama)), (builtins.__import__, importlib.import_module)
    before = [(b.bytes, b.op, b.module) for b in rehearsed().timeline.blocks]
    rehearsed(loss="liger", liger_kernels=True)
    assert dict(vars(modeling_llama)) == names
    assert (builtins.__import__, importlib.import_module) == imports
    assert torch.empty(1, device="meta").device.type == "meta"
    assert "device" not in vars(torch.Tensor)
    assert torch.cuda.is_available() is (torch.cuda.device_count() > 0)
    assert [(b.bytes, b.op, b.module) for b in rehearsed().timeline.blocks] == before


@needs_liger
@pytest.mark.parametrize("keeps", [True, False])
def test_an_evaluation_with_liger_makes_logits_only_where_they_are_kept(keeps: bool) -> None:
    """Trainer.prediction_step passes `skip_logits` where the loss alone is asked for."""
    recipe = Recipe(
        method="full", optimizer="sgd", seq_len=TOKENS, loss="liger",
        eval_batches=2, eval_batch_size=4, eval_keep_logits=keeps,
    )  # fmt: skip
    found = rehearse(model(), recipe, component_of=lambda _: "")
    born = [e.block.bytes for e in found.timeline.events() if e.born and e.phase is Phase.EVALUATION]
    assert (4 * TOKENS * VOCABULARY * BFLOAT in born) is keeps


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anatomy.training.available.installed", lambda packages: {})
    for changes, package in (
        ({"loss": "liger"}, "liger-kernel"),
        ({"liger_kernels": True}, "liger-kernel"),
        ({"loss": "cut"}, "cut-cross-entropy"),
        ({"loss": "trl"}, "trl"),
    ):
        with pytest.raises(RecipeError, match=f"needs {package}, which is not installed") as caught:
            import_packages(Recipe(**changes), Target())  # type: ignore[arg-type]
        assert caught.value.hint == f"pip install {package}"


KERNELS = """
import triton
import triton.language as tl
from triton import Config
from triton.runtime import autotuner

NONE: tl.constexpr = tl.constexpr(-1)
assert NONE.value == -1 and triton.cdiv(7, 2) == 4 and triton.next_power_of_2(33) == 64

@triton.autotune(configs=[Config({"BLOCK": 16}, num_warps=4)], key=[])
@triton.heuristics({"EVEN": lambda args: True})
@triton.jit
def double(pointer, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(pointer + offsets, 2 * tl.load(pointer + offsets))
"""


@pytest.mark.skipif(find_spec("triton") is not None, reason="Triton itself is installed")
def test_the_stand_in_is_for_packages_of_kernels_alone() -> None:
    space: dict[str, Any] = {"__name__": "liger_kernel.ops.made_here"}
    with triton_there():
        exec(KERNELS, space)
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("triton")
        with pytest.raises(ModuleNotFoundError):
            exec("import triton", {"__name__": "torch.made_here"})
    assert "triton" not in sys.modules
    space["double"][(1,)](torch.empty(4, device="meta"), 4)
    with pytest.raises(
        ModuleNotFoundError, match="double needs"
    ):  # never a kernel that silently does nothing
        space["double"][(1,)](torch.ones(4), 4)


def test_an_installed_tritons_kernels_do_nothing_to_meta_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    launched = []

    class KernelInterface:  # triton/runtime/jit.py
        def __getitem__(self, grid: Any) -> Any:
            return lambda *args, **kwargs: launched.append((grid, len(args)))

    jit = ModuleType("triton.runtime.jit")
    jit.KernelInterface = KernelInterface  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "triton.runtime.jit", jit)
    kernel = KernelInterface()
    with launching_nothing():
        kernel[(1,)](torch.empty(4, device="meta"), 4)
        assert not launched
        kernel[(2,)](torch.ones(4), 4)
    kernel[(3,)](torch.empty(4, device="meta"))
    assert launched == [((2,), 2), ((3,), 1)]


@needs_liger
@pytest.mark.slow
def test_torch_and_transformers_go_on_finding_no_triton() -> None:
    code = (
        "from anatomy.rehearsal.cuda import Target\n"
        "from anatomy.rehearsal.kernels.kernel_packages import import_packages\n"
        "from anatomy.training.recipe import Recipe\n"
        "import_packages(Recipe(loss='liger'), Target())\n"
        "import sys\n"
        "from importlib.util import find_spec\n"
        "from torch.utils._triton import has_triton_package\n"
        "from transformers.utils import is_triton_available\n"
        "there = find_spec('triton') is not None\n"
        "assert has_triton_package() is there and is_triton_available() is there\n"
        "assert 'liger_kernel.transformers' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
