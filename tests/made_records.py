"""A profiled run made by hand: small enough that every figure can be added up in the head."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from anatomy.memory.allocator import replay, spans
from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline
from anatomy.planning.plan import ModelName
from anatomy.planning.smaller import Smaller
from anatomy.profiling.measurement import Failure, Kernel, Machine, Measurement, PhaseReading, Timing
from anatomy.profiling.record import Prediction, Record
from anatomy.training.recipe import Recipe

MIB = 1 << 20
DOWN = "model.layers.0.mlp.down_proj"

WEIGHTS = Block(bytes=100 * MIB, category=Category.WEIGHTS, component="ffn.down", module=DOWN, op="load")
ACTIVATION = Block(
    bytes=40 * MIB, category=Category.ACTIVATIONS, component="ffn.down", module=DOWN, op="aten.mm"
)
PASSING = Block(bytes=10 * MIB, category=Category.TEMPORARIES, module="model.layers.0", op="aten.mul")
GRADIENT = Block(bytes=20 * MIB, category=Category.GRADIENTS, component="ffn.down", module=DOWN, op="aten.mm")
STATE = Block(bytes=40 * MIB, category=Category.OPTIMIZER, module=DOWN, op="aten.zeros_like")
MEASURED_STATE = Block(bytes=40 * MIB, category=Category.OPTIMIZER, module=DOWN, op="aten.empty_like")
SCRATCH = Block(bytes=4 * MIB, category=Category.TEMPORARIES, module=DOWN, op="aten.convolution_backward")


def timeline(script: Iterable[Block | str | tuple[Phase, int]]) -> Timeline:
    """A block: born; 'free CATEGORY': the youngest living block of that category is freed; a mark: a phase begins."""
    blocks: list[Block] = []
    trace: list[int] = []
    marks: list[Mark] = []
    alive: list[int] = []
    for item in script:
        if isinstance(item, Block):
            alive.append(len(blocks))
            trace.append(len(blocks))
            blocks.append(item)
        elif isinstance(item, str):
            category = item.removeprefix("free ")
            gone = next(b for b in reversed(alive) if blocks[b].category == category)
            alive.remove(gone)
            trace.append(~gone)
        else:
            marks.append(Mark(at=len(trace), phase=item[0], step=item[1]))
    return Timeline(blocks=tuple(blocks), trace=tuple(trace), marks=tuple(marks))


def predicted_timeline() -> Timeline:
    """Peak: 200 MiB in backward of step 2 (weights 100, states 40, activation 40, gradient 20)."""
    return timeline([(Phase.LOAD, 0), WEIGHTS, *_step(1, STATE), *_step(2)])


def measured_timeline() -> Timeline:
    """The same with 4 MiB of scratch in each backward, and without the temporary in forward: peak 204 MiB."""
    return timeline(
        [
            *((Phase.LOAD, 0), WEIGHTS),
            *_step(1, MEASURED_STATE, passing=False, scratch=True),
            *_step(2, passing=False, scratch=True),
        ]
    )


def _step(
    number: int, state: Block | None = None, *, passing: bool = True, scratch: bool = False
) -> list[Any]:
    return [
        (Phase.FORWARD, number),
        ACTIVATION,
        *((PASSING, "free temporaries") if passing else ()),
        (Phase.BACKWARD, number),
        *((SCRATCH,) if scratch else ()),
        GRADIENT,
        *(("free temporaries",) if scratch else ()),
        "free activations",
        (Phase.OPTIMIZER, number),
        *(() if state is None else (state,)),
        (Phase.ZERO_GRAD, number),
        "free gradients",
    ]


def readings(of: Timeline, *, cuda: bool, context: int = 0) -> tuple[PhaseReading, ...]:
    """The counters of a device on which exactly these blocks came and went."""
    ran = replay(of)
    levels = (0, *(ran.allocated if cuda else ran.requested))
    held = (0, *ran.reserved)
    return tuple(
        PhaseReading(
            step=mark.step,
            phase=mark.phase,
            end_allocated_bytes=levels[end],
            peak_allocated_bytes=max(levels[start : end + 1]),
            end_reserved_bytes=held[end] if cuda else None,
            peak_reserved_bytes=max(held[start : end + 1]) if cuda else None,
            device_used_bytes=held[end] + context if cuda else None,
        )
        for mark, start, end in spans(ran)
    )


CPU = Machine(
    kind="cpu",
    name="Example CPU",
    memory_bytes=8192 * MIB,
    python="3.13.0",
    platform="Linux",
    versions={"torch": "0.0"},
)
CUDA = Machine(
    kind="cuda",
    name="Example GPU",
    memory_bytes=1024 * MIB,
    capability=(8, 0),
    multiprocessors=108,
    driver="500.00",
    python="3.13.0",
    platform="Linux",
    versions={"torch": "0.0"},
    allocator="expandable_segments:False",
)


def make_record(
    kind: str = "cpu",
    *,
    predicted: Timeline | None = None,
    observed: Timeline | None = None,
    labels: Mapping[str, str] | None = None,
    **changes: Any,
) -> Record:
    """A record of the timelines above; `changes` are fields of the measurement."""
    cuda = kind == "cuda"
    seen = measured_timeline() if observed is None else observed
    fields: dict[str, Any] = {
        "machine": CUDA if cuda else CPU,
        "model": ModelName(
            id="org/a_model[x]", origin="folder: here", model_type="llama", architecture="Llama"
        ),
        "recipe": Recipe(method="full", seq_len=128, batch_size=2),
        "weights": "random",
        "phases": readings(seen, cuda=cuda, context=300 * MIB) if seen.blocks else (),
        "observed": seen,
        "context_bytes": 300 * MIB if cuda else None,
        "peak_rss_bytes": None if cuda else 900 * MIB,
        "timing": Timing(
            step_seconds=(0.5, 0.4, 0.6),
            tokens_per_step=256,
            model_flops=10**12,
            hardware_flops=2 * 10**12,
            peak_flops=1e13 if cuda else None,
        ),
        "kernels": (
            Kernel(name="gemm_f32<128, true>", calls=12, seconds=0.25),
            Kernel(name="elementwise[x]", calls=40, seconds=0.05),
        ),
    }
    return Record(
        measurement=Measurement(**{**fields, **changes}),
        prediction=Prediction(
            timeline=predicted_timeline() if predicted is None else predicted,
            context_bytes=290 * MIB if cuda else 0,
            total_parameters=50_000_000,
            trainable_parameters=50_000_000,
            model_flops=10**12,
            hardware_flops=2 * 10**12,
            versions={"torch": "0.0"},
            assumptions=("no padding",),
            not_modelled=("evaluation",),
        ),
        labels=labels or {},
    )


SMALLER = Smaller(change={"batch_size": 1, "grad_accum": 2}, needed_bytes=400 * MIB)


def failed_record(smaller: Smaller | None = None) -> Record:
    """Out of memory in backward of step 1, on a card of 512 MiB, with 160 MiB of blocks in use."""
    seen = timeline([(Phase.LOAD, 0), WEIGHTS, (Phase.FORWARD, 1), ACTIVATION, (Phase.BACKWARD, 1), GRADIENT])
    failed = make_record(
        "cuda",
        observed=seen,
        machine=replace(CUDA, memory_bytes=512 * MIB),
        failure=Failure(
            step=1,
            phase=Phase.BACKWARD,
            module=DOWN,
            requested_bytes=400 * MIB,
            message="CUDA out of memory. Tried to allocate 400.00 MiB.",
        ),
        timing=None,
        kernels=(),
    )
    return replace(failed, smaller=smaller)
