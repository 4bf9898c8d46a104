"""torchtune's ladder: one run of Llama-3.2-3B on which one memory technique after the other was put, with the peak of each.

Sizes are shown side by side and held to no bar: torchtune has a model of its own, compiled, and a step of its own. What has to be
right is the direction of every step.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anatomy.training.recipe import Recipe
from anatomy.units import GIB
from anatomy.validation.published.pages import table
from anatomy.validation.published.predict import predict
from anatomy.validation.published.reader import rows
from anatomy.validation.published.row import Row

GPU = "A100 80GB SXM"
START: Mapping[str, Any] = {
    "method": "full",
    "batch_size": 2,
    "seq_len": 4096,
    "gradient_checkpointing": "off",
    "max_grad_norm": 0.0,
}
"""Packed to 4,096 tokens, AdamW, no technique yet."""
RUNGS: Mapping[str, Mapping[str, Any]] = {
    "torchtune ladder-1-packed": {},
    "torchtune ladder-3-chunked-CE": {"loss": "chunked-compiled"},
    "torchtune ladder-4-activation checkpointing": {"gradient_checkpointing": "non-reentrant"},
    "torchtune ladder-5-optimizer-in-backward": {"optimizer_in_backward": True},
    "torchtune ladder-6-activation offloading": {"checkpoint_offload": True},
    "torchtune ladder-7-8-bit AdamW": {"optimizer": "adamw_bnb_8bit"},
}
"""Row -> the settings that it changes beside all before it. Left out: a run of unknown lengths (0), and compiling alone (2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rung:
    """One run of the ladder."""

    id: str
    changes: Mapping[str, Any]
    """Settings that were changed from the run before."""
    measured_bytes: int
    """torch's peak of active bytes, as printed."""
    predicted_bytes: int
    """Peak allocated."""
    peak: str
    """Where the prediction has it."""


def climb(tell: Callable[[str], None]) -> Iterator[Rung]:
    """Rehearse every rung, in order."""
    published = {row.id: row for row in rows()}
    settings = dict(START)
    for name, changes in RUNGS.items():
        tell(f"rehearsing {name}")
        settings |= changes
        yield _rung(published[name], changes, Recipe.from_dict(settings))


def _rung(row: Row, changes: Mapping[str, Any], recipe: Recipe) -> Rung:
    (figure,) = row.measured
    assert figure.bytes is not None, "the ladder is printed in GiB"
    found = predict(
        replace(row, gpu=GPU, recipe=recipe, measured=(replace(figure, metric="peak allocated"),))
    )
    return Rung(
        id=row.id,
        changes=changes,
        measured_bytes=figure.bytes,
        predicted_bytes=found.figures["peak allocated"],
        peak=found.peak,
    )


def ladder_markdown(rungs: Sequence[Rung]) -> str:
    """The page."""
    source = next(row.source for row in rows() if row.id == rungs[0].id)
    lines = []
    for number, rung in enumerate(rungs):
        steps = ("", "")
        if number:
            before = rungs[number - 1]
            steps = (
                _step(rung.measured_bytes - before.measured_bytes),
                _step(rung.predicted_bytes - before.predicted_bytes),
            )
        changed = ", ".join(f"{name} = {value}" for name, value in rung.changes.items())
        sizes = (f"{size / GIB:.2f}" for size in (rung.measured_bytes, rung.predicted_bytes))
        lines.append((rung.id, changed, rung.peak, *sizes, *steps))
    header = (
        "run",
        "changed",
        "predicted peak",
        "measured GiB",
        "predicted GiB",
        "measured step",
        "predicted step",
    )
    return f"{_INTRODUCTION.format(source=source)}\n\n{table(header, lines, left=3)}\n"


def _step(size: int) -> str:
    return f"{size / GIB:+.2f}"


_INTRODUCTION = """\
# torchtune's ladder

Llama-3.2-3B trained in full in bf16, batches of 2 x 4,096 tokens, one technique put on after the other
([{source}](https://github.com/pytorch/torchtune)). Measured: torch's peak of active bytes on an A100, printed to 0.1 GiB, with
torchtune's own model, compiled from the second row on. Predicted: the allocated peak of transformers' model, not compiled, but for the
loss, which is modelled as Inductor leaves it. The directions are what is compared; no size was fitted."""
