"""Timelines drawn by hypothesis, and small real ones: planned steps of tiny models."""

import json
from functools import cache
from tempfile import TemporaryDirectory

from hypothesis import strategies as st
from tiny_models import TINY_LLAMA

from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline
from anatomy.planning.plan import Plan

MIB = 1 << 20
TINY_CONFIGS = {
    "dense": TINY_LLAMA,
    "moe": {
        **TINY_LLAMA,
        "model_type": "mixtral",
        "architectures": ["MixtralForCausalLM"],
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
    },
    "t5": {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "vocab_size": 256,
        "d_model": 64,
        "d_kv": 16,
        "d_ff": 128,
        "num_layers": 2,
        "num_heads": 4,
        "decoder_start_token_id": 0,
    },
}
_STEP = (Phase.FORWARD, Phase.LOSS, Phase.BACKWARD, Phase.OPTIMIZER, Phase.ZERO_GRAD)


@cache
def tiny_plan(name: str, method: str = "full") -> Plan:
    """The plan of a tiny model, made once in a run of the tests."""
    from anatomy import api

    with TemporaryDirectory() as folder:
        with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
            json.dump(TINY_CONFIGS[name], file)
        return api.plan(folder, method=method, batch_size=2, seq_len=32)


@st.composite
def timelines(draw: st.DrawFn, least: int = 0) -> Timeline:
    """Up to 60 entries in up to 8 phases, some of them empty; blocks of 0 bytes; blocks that stay alive."""
    blocks: list[Block] = []
    trace: list[int] = []
    alive: list[int] = []
    for _ in range(draw(st.integers(least, 60))):
        if alive and draw(st.booleans()):
            trace.append(~alive.pop(draw(st.integers(0, len(alive) - 1))))
        else:
            alive.append(len(blocks))
            trace.append(len(blocks))
            blocks.append(draw(_BLOCKS))
    cuts = sorted(draw(st.lists(st.integers(0, len(trace)), max_size=7)))
    marks = [Mark(at=0, phase=Phase.LOAD, step=0)]
    marks += [
        Mark(at=cut, phase=_STEP[number % len(_STEP)], step=number // len(_STEP) + 1)
        for number, cut in enumerate(cuts)
    ]
    return Timeline(blocks=tuple(blocks), trace=tuple(trace), marks=tuple(marks))


_BLOCKS = st.builds(
    Block,
    bytes=st.sampled_from([0, 1, 511, 513, MIB, 3 * MIB + 1]) | st.integers(0, 40 * MIB),
    category=st.sampled_from(Category),
    component=st.sampled_from(["", "ffn.up", "[head]"]),
    module=st.sampled_from(["", "model.layers.0.up", "model.layers.1.up"]),
    op=st.sampled_from(["", "aten.mm"]),
)


def small_run() -> Timeline:
    """Two steps of four phases in MiB: weights 40, activations 30, gradients 20, and what comes and goes."""
    kinds = {
        "w": Block(bytes=40 * MIB, category=Category.WEIGHTS, component="ffn", module="layers.0", op="load"),
        "a": Block(
            bytes=30 * MIB, category=Category.ACTIVATIONS, component="ffn", module="layers.0", op="aten.mm"
        ),
        "t": Block(bytes=10 * MIB, category=Category.TEMPORARIES, module="layers.0", op="aten.add"),
        "g": Block(
            bytes=20 * MIB, category=Category.GRADIENTS, component="ffn", module="[head]", op="aten.mm"
        ),
    }
    step = (
        (Phase.FORWARD, "a t -t t -t t -t t -t"),
        (Phase.BACKWARD, "g t -t -a"),
        (Phase.OPTIMIZER, "t -t"),
    )
    script = [(Phase.LOAD, 0, "w")]
    script += [
        (phase, number, names) for number in (1, 2) for phase, names in (*step, (Phase.ZERO_GRAD, "-g"))
    ]
    blocks: list[Block] = []
    trace: list[int] = []
    marks: list[Mark] = []
    alive: dict[str, int] = {}
    for phase, number, names in script:
        marks.append(Mark(at=len(trace), phase=phase, step=number))
        for name in names.split():
            if name in kinds:
                alive[name] = len(blocks)
                trace.append(len(blocks))
                blocks.append(kinds[name])
            else:
                trace.append(~alive.pop(name[1:]))
    return Timeline(blocks=tuple(blocks), trace=tuple(trace), marks=tuple(marks))
