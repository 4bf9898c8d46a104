"""One model's reports, written: what its runs have in common is rehearsed once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anatomy import api
from anatomy.architecture.anatomy import Anatomy
from anatomy.documents.others import comparison_report
from anatomy.documents.whole import plan_report
from anatomy.errors import SourceError
from anatomy.gallery.exhibits import COMPARED, Exhibit
from anatomy.planning.command import as_typed, plan_arguments
from anatomy.planning.settings import make_recipe
from anatomy.source.access import without_network

if TYPE_CHECKING:
    from anatomy.documents.document import Document
    from anatomy.planning.plan import ModelName, Plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A run that a report was written of."""

    file: str
    """The report, from the folder of all reports on."""
    arguments: str
    """What is typed behind `anatomy plan MODEL` to get the plan."""
    plan: "Plan"


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A comparison that a report was written of."""

    file: str
    """As for a run."""
    title: str
    """Of the report."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What an index says of one model."""

    exhibit: Exhibit
    runs: tuple[Planned, ...]
    comparison: Compared | None


def make(exhibit: Exhibit, folder: Path, tell: api.Progress) -> Written:
    """Write every report of one model under `folder`, each with its pictures beside it.

    Raises SourceError where this machine has another description of the model than the catalog's, and as `plan`.
    """
    (folder / exhibit.folder).mkdir(parents=True, exist_ok=True)
    with without_network():
        runs = tuple(_runs(exhibit, folder, tell))
        comparison = None if exhibit.compared is None else _comparison(exhibit, folder, tell)
    return Written(exhibit=exhibit, runs=runs, comparison=comparison)


def _runs(exhibit: Exhibit, folder: Path, tell: api.Progress) -> Iterator[Planned]:
    studio = api.Studio(exhibit.model)
    anatomy = api.show(exhibit.model, build=True)
    for name, settings in exhibit.runs.items():
        tell(f"rehearsing {exhibit.model}, {name}")
        recipe = make_recipe(settings)
        plan = studio.plan(recipe, chosen=settings)
        typed = plan_arguments(exhibit.model, recipe, settings)
        file = f"{exhibit.folder}/{name}.md"
        api.write_report(_report(plan, anatomy, as_typed(typed)), folder / file)
        yield Planned(file=file, arguments=as_typed(typed[3:]), plan=plan)


def _report(plan: "Plan", anatomy: Anatomy, command: str) -> "Document":
    """What `anatomy report` says; of a library's version without the build, which changes no number."""
    _check_origin(plan.model)
    return plan_report(replace(plan, versions=released(plan.versions)), anatomy, command)


def _comparison(exhibit: Exhibit, folder: Path, tell: api.Progress) -> Compared:
    axes = exhibit.compared or {}
    tell(f"comparing runs of {exhibit.model}")
    named: dict[str, Any] = dict(axes)
    found = api.compare(exhibit.model, **named)
    _check_origin(found.model)
    flags = [word for axis, values in axes.items() for word in (f"--{axis}", ",".join(values))]
    command = as_typed(("anatomy", "report", exhibit.model, "--compare", *flags))
    document = comparison_report(replace(found, versions=released(found.versions)), command)
    file = f"{exhibit.folder}/{COMPARED}.md"
    api.write_report(document, folder / file)
    return Compared(file=file, title=document.title)


def released(versions: Mapping[str, str]) -> dict[str, str]:
    """Versions without the build they came in ('+cpu')."""
    return {name: version.partition("+")[0] for name, version in versions.items()}


def _check_origin(model: "ModelName") -> None:
    if not model.origin.startswith("catalog"):
        raise SourceError(
            f"{model.id} was read from {model.origin}, and its checked-in reports are of the catalog's description.",
            hint="`make reports` uses an empty cache: HF_HOME=$(mktemp -d)",
        )
