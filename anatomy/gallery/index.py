"""The page that leads to all reports."""

from collections.abc import Iterable, Iterator, Mapping

from anatomy.gallery.make import Compared, Planned, Written
from anatomy.units import format_bytes, format_count
from anatomy.validation.published.pages import table

INTRODUCTION = """\
# Reports

Written by the commands named here, with the versions in `constraints.txt`; what was measured was measured and published by others,
and each row says by whom. The tests write reports anew and compare.

## Accuracy

- [published.md](published.md): predicted beside measured, every published run that can be compared and the reason for every
  one that cannot (`make reports`; [csv](published.csv), [json](published.json)).
- [published_versions.md](published_versions.md): published runs rehearsed with the very versions that were measured
  (`make published`; [csv](published_versions.csv), [json](published_versions.json)).
- [ladder.md](ladder.md): one run on which one memory technique after the other was put, the direction of every step beside
  the measured one (`make reports`).
- [optimizers.md](optimizers.md): bytes for each parameter, at rest and at the step, of every optimizer that transformers
  names (`make optimizers`).
- [coverage.md](coverage.md): every task and model type of transformers, what is built, classified and rehearsed of each
  (`make coverage`; [csv](coverage.csv)).

## Models

What `anatomy report MODEL` writes of these models, planned by `anatomy plan MODEL` with the flags of each run (`make reports`).
*Allocated* is the peak of the blocks in use; *on the device* what nvidia-smi shows at most: what torch's allocator reserves, and an
A100's CUDA context. The smallest GPU is that of the catalog (`anatomy gpus`) with the least memory on which the run fits."""
"""All that does not depend on what was planned."""

_HEADER = ("model", "run", "trainable", "allocated", "on the device", "smallest GPU")
NOWHERE = "none"
"""Where a run fits no GPU of the catalog."""


def index_markdown(found: Iterable[Written], versions: Mapping[str, str]) -> str:
    """The page. `versions`: of the libraries that were rehearsed."""
    found = tuple(found)
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    parts = [
        INTRODUCTION,
        table(_HEADER, (cells for one in found for cells in run_cells(one)), left=2),
        f"Rehearsed with {named}.",
        "Runs side by side, as `anatomy report MODEL --compare` writes them:\n\n"
        + "\n".join(comparison_line(one.comparison) for one in found if one.comparison),
    ]
    return "\n\n".join(parts) + "\n"


def comparison_line(found: Compared) -> str:
    """An item of the list of comparisons."""
    return f"- [{found.title}](models/{found.file})"


def run_cells(one: Written) -> Iterator[tuple[str, ...]]:
    """A row of the table for each run; the model's id on the first."""
    for number, run in enumerate(one.runs):
        yield ("" if number else f"`{one.exhibit.model}`", *_line(run))


def _line(run: Planned) -> Iterator[str]:
    """Every figure leads to the report that it is from."""
    plan = run.plan
    fit = plan.smallest_fit
    for text in (
        f"`{run.arguments}`",
        format_count(plan.trainable_parameters),
        format_bytes(plan.footprint.peak_allocated_bytes),
        format_bytes(plan.device_bytes),
        NOWHERE if fit is None else fit.gpu,
    ):
        yield f"[{text}](models/{run.file})"
