"""What an optimizer costs: bytes for each parameter at rest and at the step, read off a rehearsed run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anatomy.memory.allocator import Replay, replay, spans
from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.result import Result
from anatomy.training.optimizers.kinds import OptimizerKind

SCHEMA_VERSION = 1
"""Of `optimizers --json`."""
PRECISIONS = ("bf16", "fp32")
"""Dtypes of the parameters, none of them under autocast."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Of one optimizer over parameters of one dtype. Bytes as they were asked for, before any allocator's rounding."""

    parameters: int
    """Trained ones."""
    largest_parameter: int
    """Elements of the largest of them."""
    state_bytes: int
    """States on the device, from the end of the first step on."""
    step_bytes: int | None
    """What the step takes and gives back, at its highest, above the level that it leaves; None where each parameter is
    updated in backward, whose own temporaries these cannot be told from."""
    gradient_bytes: int
    """Gradients that are there when backward ends."""
    host_bytes: int = 0
    """States in unified memory, which move onto the device as they are touched."""

    def per_parameter(self, count: int) -> float:
        """A number of bytes, for one parameter."""
        return count / self.parameters


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerRow:
    """One name, and what it costs."""

    name: str
    kind: OptimizerKind
    costs: Mapping[str, Cost]
    """By precision; empty where it could not be rehearsed."""
    missing: str = ""
    """Why it could not."""
    one_at_a_time: bool | None = None
    """Whether the step's temporaries are those of one parameter, however many there are; None where that was not tried
    or there are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerTable(Result):
    """Every name beside the others, on one model."""

    model: str
    """What was trained, in words."""
    rows: tuple[OptimizerRow, ...]
    versions: Mapping[str, str]
    """Installed packages that were rehearsed."""

    def __repr__(self) -> str:
        return f"<OptimizerTable of {len(self.rows)} optimizers, {self.model}>"

    def costs(self) -> dict[str, Any]:
        """`optimizers --json`, but for what books say."""
        return {
            "schema_version": SCHEMA_VERSION,
            "model": self.model,
            "optimizers": [_as_dict(row) for row in self.rows],
            "versions": dict(self.versions),
        }


def _as_dict(row: OptimizerRow) -> dict[str, Any]:
    return {
        "optimizer": row.name,
        "fate": row.kind.fate,
        "package": row.kind.package,
        "missing": row.missing or None,
        "one_parameter_at_a_time": row.one_at_a_time,
        **{
            precision: {
                "parameters": cost.parameters,
                "largest_parameter": cost.largest_parameter,
                "state_bytes": cost.state_bytes,
                "step_bytes": cost.step_bytes,
                "gradient_bytes": cost.gradient_bytes,
                "host_bytes": cost.host_bytes,
            }
            for precision, cost in row.costs.items()
        },
    }


def cost_of(
    timeline: Timeline, *, parameters: int, largest_parameter: int, in_backward: bool, host_bytes: int
) -> Cost:
    """Read an optimizer's cost off a run of at least two steps."""
    run = replay(timeline)
    return Cost(
        parameters=parameters,
        largest_parameter=largest_parameter,
        state_bytes=_held(run, Phase.ZERO_GRAD, Category.OPTIMIZER),
        step_bytes=None if in_backward else _step_bytes(run),
        gradient_bytes=_held(run, Phase.BACKWARD, Category.GRADIENTS),
        host_bytes=host_bytes,
    )


def _held(run: Replay, phase: Phase, category: Category) -> int:
    """Bytes of a category that are there when the last such phase ends."""
    end = max(end for mark, _, end in spans(run) if mark.phase is phase)
    trace = run.timeline.trace[:end]
    alive = {entry for entry in trace if entry >= 0} - {~entry for entry in trace if entry < 0}
    blocks = (run.timeline.blocks[entry] for entry in alive)
    return sum(block.bytes for block in blocks if block.category is category)


def _step_bytes(run: Replay) -> int:
    """The first step counts as well: there, GaLore decomposes gradients."""
    levels = (0, *run.requested)
    steps = [(start, end) for mark, start, end in spans(run) if mark.phase is Phase.OPTIMIZER]
    return max(max(levels[start : end + 1]) - levels[end] for start, end in steps)
