"""The folder of a grid's results: a record for each finished cell, a reason for each failed one.

A file appears whole or not at all, under its final name, so that a run that is killed leaves nothing half-written.
"""

import hashlib
import json
import lzma
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from anatomy.errors import SourceError
from anatomy.profiling.record import KIND, Record, load, save

RUN = ".run.json.xz"
FAILED = ".failed.json"
FAILED_KIND = "anatomy failed cell"
FINGERPRINT = "fingerprint"
"""The label of a record that says which definition it was made of."""
PARTIAL = ".partial."
"""Begins the name of what is not finished."""

FailureKind = Literal["error", "out of memory", "crash", "timeout"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One cell as the runner knows it."""

    name: str
    """Names its files."""
    definition: Mapping[str, Any]
    """JSON-ready: what the worker is called with. Another definition is another task, and is run again."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its record, or its failure, is labelled with."""

    @property
    def fingerprint(self) -> str:
        """Of the definition and the labels: equal for equal ones."""
        text = json.dumps([self.definition, dict(self.labels)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedCell:
    """A cell without a record, and why."""

    name: str
    kind: FailureKind
    reason: str
    """One sentence."""
    detail: tuple[str, ...] = ()
    """Where it happened, innermost last; or the last lines that the process wrote."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """How what a cell returns is kept in a file."""

    ending: str
    """Of the file's name."""
    save: Callable[[Any, Mapping[str, str], Path], None]
    """What a cell returned, and further labels, into a file."""
    fingerprint: Callable[[Path], str | None]
    """The fingerprint among a file's labels; None for a file that is none of these."""
    load: Callable[[Path], Any]


class Results:
    """The results in one folder, of one format: records, where nothing else is said."""

    def __init__(self, folder: Path, kept: Format | None = None) -> None:
        self.folder = folder
        self.kept = kept or RECORDS

    def has_run(self, task: Task) -> bool:
        """Whether there is a record of exactly this task."""
        return self.kept.fingerprint(self._run(task.name)) == task.fingerprint

    def has_failed(self, task: Task) -> bool:
        """Whether exactly this task was tried and failed."""
        found = _read_failed(self._failed(task.name))
        return found is not None and found.labels.get(FINGERPRINT) == task.fingerprint

    def clear(self, task: Task) -> None:
        """Forget what there is under this task's name."""
        self._run(task.name).unlink(missing_ok=True)
        self._failed(task.name).unlink(missing_ok=True)

    def keep_run(self, task: Task, record: Any) -> None:
        """Save a record, labelled with its task."""
        unfinished = self.partial(task, self.kept.ending)
        self.kept.save(record, {**task.labels, FINGERPRINT: task.fingerprint}, unfinished)
        os.replace(unfinished, self._run(task.name))

    def keep_failure(self, task: Task, kind: FailureKind, reason: str, detail: tuple[str, ...] = ()) -> None:
        """Save why there is no record."""
        labels = {**task.labels, FINGERPRINT: task.fingerprint}
        failed = FailedCell(name=task.name, kind=kind, reason=reason, detail=detail, labels=labels)
        unfinished = self.partial(task, FAILED)
        unfinished.write_text(json.dumps({"kind_of_file": FAILED_KIND, **asdict(failed)}, indent=1) + "\n")
        os.replace(unfinished, self._failed(task.name))

    def partial(self, task: Task, ending: str, process: int | None = None) -> Path:
        """A process's file (this one's) for what is not finished; `sweep` removes those of processes that died."""
        return self.folder / f"{PARTIAL}{task.name}.{process or os.getpid()}{ending}"

    def sweep(self) -> None:
        """Remove what dead processes left. Only while nobody else works in this folder."""
        for path in self.folder.glob(f"{PARTIAL}*"):
            path.unlink(missing_ok=True)

    def run(self, task: Task) -> Any:
        """The record of exactly this task, None without one. Raises SourceError for one that cannot be read."""
        return self.kept.load(self._run(task.name)) if self.has_run(task) else None

    def failure(self, task: Task) -> FailedCell | None:
        """Why exactly this task failed, if it did."""
        return _read_failed(self._failed(task.name)) if self.has_failed(task) else None

    def runs(self) -> Iterator[tuple[Path, Any]]:
        """Every record, in the order of their names. Raises SourceError for a file that is none."""
        for path in self._files(self.kept.ending):
            yield path, self.kept.load(path)

    def failures(self) -> Iterator[FailedCell]:
        """Every failed cell, in the order of their names. Raises SourceError for a file that is none."""
        for path in self._files(FAILED):
            found = _read_failed(path)
            if found is None:
                raise SourceError(
                    f"{path} is not a failed cell of a grid.", hint="remove it, and run the cell again"
                )
            yield found

    def _files(self, ending: str) -> list[Path]:
        found = (path for path in self.folder.glob(f"*{ending}") if not path.name.startswith(PARTIAL))
        return sorted(found)

    def _run(self, name: str) -> Path:
        return self.folder / f"{name}{self.kept.ending}"

    def _failed(self, name: str) -> Path:
        return self.folder / f"{name}{FAILED}"


def _run_fingerprint(path: Path) -> str | None:
    """The fingerprint that a record is labelled with; None for no record. Its numbers are not parsed."""
    try:
        text = lzma.decompress(path.read_bytes()).decode()  # checks the sum at the file's end as well
        labels, _ = json.JSONDecoder().raw_decode(text, text.index(_LABELS) + len(_LABELS))
    except (OSError, ValueError, EOFError, lzma.LZMAError):
        return None
    found = labels.get(FINGERPRINT) if text.startswith(f'{{"kind":"{KIND}"') else None
    return found if isinstance(found, str) else None


_LABELS = '"labels":'


def _save_record(record: Record, labels: Mapping[str, str], path: Path) -> None:
    save(replace(record, labels={**record.labels, **labels}), path)


RECORDS = Format(ending=RUN, save=_save_record, fingerprint=_run_fingerprint, load=load)
"""Measurements and predictions, compressed."""


def _read_failed(path: Path) -> FailedCell | None:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("kind_of_file") != FAILED_KIND:
            return None
        return FailedCell(**{**data, "detail": tuple(data["detail"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
