"""A grid of runs, predicted and measured; and records of such runs, predicted again."""

import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from anatomy.errors import SourceError
from anatomy.validation.cell import Cell, cell_of
from anatomy.validation.grid import SHIPPED, Grid, read_grid, shipped

if TYPE_CHECKING:
    from anatomy.blueprint import Blueprint
    from anatomy.profiling.cells.results import Results, Task
    from anatomy.profiling.cells.runner import Progress
    from anatomy.profiling.record import Record
    from anatomy.validation.scores import CellScore, Validation

Tell = Callable[["Progress"], None]
SUITS: Mapping[str, int] = {"gpu-140gb": 120_000, "gpu-24gb": 22_000}
"""Shipped grid -> MiB of the smallest GPU that it is meant for, the largest first."""


def validate(
    grid: Grid | str | None = None,
    *,
    folder: str | Path,
    only: Collection[str] = (),
    jobs: int | None = None,
    time_limit: float | None = None,
    timeout: float | None = None,
    retry_failed: bool = False,
    progress: Tell | None = None,
) -> "Validation":
    """Predict and measure every cell of a grid that `folder` has no record of, one process each; score them all.

    `grid`: a grid, a TOML file, or the name of a shipped grid; the one that suits this machine when left out. `only`: names
    of cells. `jobs`: cells at a time; one on a GPU, as many as there are cores on the CPU. `time_limit`: seconds
    after which no further cell is begun. `timeout`: seconds for one cell. `retry_failed`: run again what failed.

    Raises SourceError for a grid that cannot be read, RecipeError for a cell that means nothing.
    """
    from anatomy.profiling.cells.results import Results, Task
    from anatomy.profiling.cells.runner import CELL_TIMEOUT, run_cells
    from anatomy.validation.scores import Validation

    chosen = (grid if isinstance(grid, Grid) else find_grid(grid)).only(tuple(only))
    _check_device(chosen)
    tasks = [Task(name=c.name, definition=c.to_dict(), labels=c.labels) for c in chosen.cells]
    outcome = run_cells(
        tasks,
        Path(folder),
        worker=f"{__name__}:profile_cell",
        jobs=jobs or (1 if chosen.device == "cuda" else cores()),
        threads=_threads(chosen.device),
        timeout=timeout or CELL_TIMEOUT,
        time_limit=time_limit,
        retry_failed=retry_failed,
        progress=progress,
    )
    results = Results(Path(folder))
    scores = (_score(results, task) for task in tasks)
    return Validation(
        title=chosen.title,
        cells=tuple(found for found in scores if found is not None),
        left=outcome.left,
        versions=_installed(),
    )


def validate_records(
    folder: str | Path,
    *,
    only: Collection[str] = (),
    jobs: int | None = None,
    progress: Tell | None = None,
) -> "Validation":
    """Predict the recorded cells of `folder` again, for the machines they ran on, and score them. Needs no GPU.

    A cell that was measured with other versions than are installed is shown with the prediction of its record, and
    not scored. Raises SourceError for a folder without records, or with a file that is none.
    """
    from anatomy.profiling.cells.results import Results
    from anatomy.validation.scores import Validation, failed, other_versions, unscored

    results, installed = Results(Path(folder)), _installed()
    found = {path: record for path, record in results.runs() if not only or record.labels.get("cell") in only}
    if not found and not any(True for _ in results.failures()):
        raise SourceError(
            f"{folder} holds no records of a grid.", hint=f"`anatomy validate -o {folder}` makes some"
        )
    scores: dict[str, CellScore] = {}
    again: dict[str, Path] = {}
    for path, record in found.items():
        name = cell_of(record.labels).name
        differing = other_versions(record.measurement.machine.versions, installed)
        if differing:
            scores[name] = unscored(record, differing)
        else:
            again[name] = path
    scores |= _predicted_again(again, jobs or cores(), progress)
    for result in results.failures():
        if not only or result.name in only:
            scores[result.name] = failed(cell_of(result.labels), result)
    return Validation(
        title=f"records of {Path(folder).name}, predicted again",
        cells=tuple(scores[name] for name in sorted(scores)),
        versions=installed,
        predicted_again=True,
    )


def find_grid(grid: str | None) -> Grid:
    """The grid that a name or file means; the one that suits this machine for None. Raises SourceError."""
    if grid is None:
        return shipped(_suiting())
    if grid in SHIPPED:
        return shipped(grid)
    try:
        return read_grid(Path(grid).read_text(encoding="utf-8"), Path(grid).name)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SourceError(
            f"The grid {grid} cannot be read: {reason}.",
            hint=f"name a TOML file, or one of {', '.join(SHIPPED)}",
        ) from error


def profile_cell(definition: Mapping[str, Any]) -> "Record":
    """The record of one cell. What the processes of a grid call."""
    from anatomy.api.profiled import profile

    cell = Cell.from_dict(definition)
    asked = {"recipe": cell.recipe, "chosen": cell.chosen, "overrides": cell.overrides, **cell.profile}
    if cell.config is None:
        return profile(cell.model, **asked)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_text(json.dumps(cell.config))
        record = profile(str(file), **asked)
    model = replace(record.measurement.model, id=cell.model, origin="a grid")
    return replace(record, measurement=replace(record.measurement, model=model))


def predict_again(definition: Mapping[str, Any]) -> "Record":
    """The record in the file `definition["record"]`, with a prediction made now for the machine that it names."""
    from anatomy.api.staged import stage
    from anatomy.profiling.predict import predict
    from anatomy.profiling.record import load

    record = load(Path(definition["record"]))
    recipe, machine = record.measurement.recipe, record.measurement.machine
    staged = stage(_described(cell_of(record.labels)), recipe, recipe.to_dict(), trust_remote_code=False)
    prediction = predict(staged.skeleton.model, staged.recipe, machine, staged.component_of)
    return replace(record, prediction=prediction)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _score(results: "Results", task: "Task") -> "CellScore | None":
    """What became of a task; None where it was not run."""
    from anatomy.validation.scores import failed, safe_score

    record, failure = results.run(task), results.failure(task)
    if record is not None:
        return safe_score(record)
    return None if failure is None else failed(Cell.from_dict(task.definition), failure)


def _predicted_again(paths: Mapping[str, Path], jobs: int, progress: Tell | None) -> "dict[str, CellScore]":
    from anatomy.profiling.cells.results import Results, Task
    from anatomy.profiling.cells.runner import run_cells
    from anatomy.profiling.record import load
    from anatomy.validation.scores import CellScore, safe_score

    with TemporaryDirectory() as folder:
        tasks = [Task(name=name, definition={"record": str(path)}) for name, path in paths.items()]
        work = f"{__name__}:predict_again"
        run_cells(tasks, Path(folder), worker=work, jobs=jobs, threads=1, progress=progress)
        results = Results(Path(folder))
        scores = {cell_of(r.labels).name: safe_score(r) for _, r in results.runs()}
        for result in results.failures():
            # A prediction that broke must not make the figures better: it counts as a failure.
            cell = cell_of(load(paths[result.name]).labels)
            reason = f"it cannot be predicted any more: {result.reason}"
            scores[result.name] = CellScore(cell=cell, failure=reason)
        return scores


def _described(cell: Cell) -> "Blueprint":
    from anatomy.blueprint import Blueprint, Origin
    from anatomy.source import load
    from anatomy.source.overrides import apply_overrides

    if cell.config is None:
        return load(cell.model, overrides=cell.overrides, headers=False)
    origin = Origin(kind="file", location="a grid")
    return apply_overrides(Blueprint(id=cell.model, origin=origin, config=cell.config), cell.overrides)


def _installed() -> dict[str, str]:
    from anatomy.api.facts import env

    return {name: version for name, version in env().versions.items() if version is not None}


def _gpu_mib() -> int | None:
    """Memory of this machine's GPU, asked of its driver's tool: this process must not touch CUDA."""
    from anatomy.profiling.machine import nvidia_smi

    answer = nvidia_smi("memory.total")
    return int(answer) if answer and answer.isdigit() else None


def _suiting() -> str:
    mib = _gpu_mib()
    if mib is None:
        return "cpu"
    found = next((name for name, least in SUITS.items() if mib >= least), None)
    if found is None:
        raise SourceError(
            f"No shipped grid is meant for a GPU of {mib:,} MiB.",
            hint="write one (the shipped ones are examples), or name the grid cpu",
        )
    return found


def _check_device(grid: Grid) -> None:
    if grid.device == "cuda" and _gpu_mib() is None:
        raise SourceError(
            "The grid is meant for a GPU, and nvidia-smi shows none on this machine.",
            hint="`anatomy validate cpu` runs on the CPU; --from FOLDER predicts recorded runs again, anywhere",
        )


def _threads(device: str) -> int | None:
    # The scratch of the CPU's kernels grows with their threads: with one, records of two machines compare.
    return 1 if device == "cpu" else None
