"""Loops over tokens that are rehearsed by their ends are, to the byte, what they are in full."""

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import torch
import transformers
from families import make, tiny_recipe

from anatomy.errors import RehearsalError
from anatomy.memory.allocator import replay
from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.loops import lstm, turns
from anatomy.rehearsal.loops.table import TOKEN_LOOPS
from anatomy.rehearsal.rehearse import Rehearsal, rehearse
from anatomy.training.recipe import Recipe

LENGTHS = {"mamba": 192, "recurrent_gemma": 128, "rwkv": 80}
"""Short enough to be made in full."""
SEGMENT = 2 << 20
"""What the allocator takes for small blocks: those of turns that are stood for lie in another order."""

MODELS: dict[str, Callable[[], Any]] = {
    "mamba": lambda: transformers.MambaForCausalLM(
        transformers.MambaConfig(vocab_size=512, hidden_size=64, state_size=8, num_hidden_layers=2)
    ),
    "recurrent_gemma": lambda: transformers.RecurrentGemmaForCausalLM(
        transformers.RecurrentGemmaConfig(
            vocab_size=512,
            hidden_size=64,
            intermediate_size=128,
            lru_width=64,
            num_attention_heads=2,
            num_hidden_layers=3,
        )
    ),
    "rwkv": lambda: transformers.RwkvForCausalLM(
        transformers.RwkvConfig(vocab_size=512, hidden_size=64, num_hidden_layers=1)
    ),
}


def rehearsed(kind: str, **choices: Any) -> Rehearsal:
    with torch.device("meta"):
        model = MODELS[kind]()
    recipe = Recipe(**{"method": "full", "precision": "bf16", "seq_len": LENGTHS[kind], **choices})
    return rehearse(model, recipe, component_of=lambda _: "")


def levels(rehearsal: Rehearsal) -> dict[tuple[int, str], tuple[int, int]]:
    """(step, phase) -> bytes allocated at its end, and the most during it."""
    level = peak = 0
    found: dict[tuple[int, str], tuple[int, int]] = {}
    for event in rehearsal.timeline.events():
        phase = (event.step, event.phase.value)
        peak = peak if phase in found else level
        level += event.block.bytes if event.born else -event.block.bytes
        peak = max(peak, level)
        found[phase] = (level, peak)
    return found


def reserved(rehearsal: Rehearsal) -> int:
    return max(replay(rehearsal.timeline).reserved)


def compare(monkeypatch: pytest.MonkeyPatch, kind: str, **choices: Any) -> None:
    by_its_ends = rehearsed(kind, **choices)
    monkeypatch.setattr(turns, "SHORT", LENGTHS[kind])
    in_full = rehearsed(kind, **choices)
    assert len(in_full.timeline.trace) > 1.3 * len(by_its_ends.timeline.trace)
    assert levels(by_its_ends) == levels(in_full)
    assert abs(reserved(by_its_ends) - reserved(in_full)) <= SEGMENT
    assert by_its_ends.flops == in_full.flops
    assert sum("are stood for" in said for said in by_its_ends.assumptions) == 1
    assert sum("token by token in torch" in said for said in in_full.assumptions) == 1


@pytest.mark.parametrize(
    "checkpointing",
    ["non-reentrant", *(pytest.param(n, marks=pytest.mark.slow) for n in ("off", "reentrant"))],
)
@pytest.mark.parametrize("kind", MODELS)
def test_both_ends_tell_the_whole_loop(
    monkeypatch: pytest.MonkeyPatch, kind: str, checkpointing: str
) -> None:
    compare(monkeypatch, kind, gradient_checkpointing=checkpointing)


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [
        {"precision": "bf16-mixed"},
        {"precision": "fp32", "batch_size": 2, "grad_accum": 2, "gradient_checkpointing": "off"},
        {"method": "lora", "target_modules": ("in_proj", "x_proj")},
    ],
    ids=["autocast", "accumulation", "lora"],
)
def test_in_other_runs_too(monkeypatch: pytest.MonkeyPatch, choices: dict[str, Any]) -> None:
    compare(monkeypatch, "mamba", **choices)


def test_real_tensors_say_the_same() -> None:
    """The recorder on the CPU goes through every turn."""
    recipe = tiny_recipe("mamba", seq_len=turns.SHORT + 32)
    meta, cpu = (
        rehearse(
            make("mamba", device), recipe, component_of=lambda _: "", target=Target(name="cpu"), device=device
        )
        for device in ("meta", "cpu")
    )
    assert len(cpu.timeline.trace) > 1.5 * len(meta.timeline.trace)
    host = 64  # AdamW's step counters, which stay on the host
    for phase, (level, peak) in levels(cpu).items():
        found_level, found_peak = levels(meta)[phase]
        assert abs(level - found_level) <= host, phase
        assert abs(peak - found_peak) <= host, phase


def test_turns_that_are_not_alike_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop like the selective scan's, but of turns that take more and more."""
    source = """
def mamba_selective_scan(states):
    scan_outputs = []
    for index in range(states.shape[0]):
        scan_outputs.append(states[: index + 1].sum(0) * states[: index + 1].cos().sum(0))
    return torch.stack(scan_outputs)
"""
    module = ModuleType("transformers.models.made.modeling_made")
    vars(module)["torch"] = torch
    exec(source, vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)

    with torch.device("meta"):
        model = MODELS["mamba"]()
    scan = sys.modules[type(model).__module__]
    monkeypatch.setattr(
        scan,
        "mamba_selective_scan",
        lambda hidden_states, *_, **__: module.mamba_selective_scan(hidden_states.permute(2, 0, 1)).permute(
            1, 2, 0
        ),
    )
    with pytest.raises(RehearsalError, match="not alike"):
        rehearse(model, Recipe(method="full", precision="bf16", seq_len=100), component_of=lambda _: "")


def test_every_row_is_a_function_with_such_a_loop() -> None:
    """Of an installed modeling file: a renamed function would be rehearsed in full, which nobody waits for."""
    sources = [
        inspect.getsource(import_module(f"transformers.models.{kind}.modeling_{kind}"))
        for kind in (*MODELS, "jamba", "falcon_mamba", "zamba")
    ]
    sources.append(inspect.getsource(lstm))
    for name, loop in TOKEN_LOOPS.items():
        where = [source for source in sources if f"def {name}(" in source]
        assert where, name
        links = [f" {loop.appends or loop.carries}{form}" for form in (" = ", ": list[Tensor] = ")]
        assert all(any(link in source for link in links) for source in where)
    assert all(any(f"def {name}(" in source for name in TOKEN_LOOPS) for source in sources)


def test_nothing_is_left_in_transformers() -> None:
    rehearsed("mamba")
    assert "range" not in vars(sys.modules["transformers.models.mamba.modeling_mamba"])
