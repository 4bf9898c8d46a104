"""What is shown of a saved run: values that travel between processes, and the report's words and tables of them."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from anatomy.documents.document import Block, Facts, Notes, Sentence, Table, named
from anatomy.documents.plan.run import run_line
from anatomy.documents.profile.run import Profile, answer_sentence, instant_sentences
from anatomy.documents.profile.speed import speed
from anatomy.documents.profile.tables import categories, peaks, phases
from anatomy.documents.signed import signed_bytes, signed_share
from anatomy.profiling.record import Record
from anatomy.training.recipe import Recipe
from anatomy.units import bytes_column
from anatomy.validation.alive import alive_at_failure
from anatomy.validation.comparison import ProfileComparison, compare
from anatomy.validation.difference import Difference


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedRun:
    """One record, without its timelines."""

    path: str
    model: str
    """As the report names it."""
    recipe: Recipe
    device: str
    comparison: ProfileComparison
    said: tuple[Sentence | Facts | Notes, ...]
    """What the report says before its tables."""
    failed: bool = False
    """Whether it ended out of memory."""

    @property
    def peak(self) -> Difference | None:
        """The peak of the bytes in use, on both sides; None where none was compared."""
        return self.comparison.peak("allocated")


@dataclass(frozen=True, kw_only=True, slots=True)
class UnreadRun:
    """A file that could not be read as one."""

    path: str
    message: str
    hint: str = ""


def saved_run(path: str, record: Record) -> SavedRun:
    """What is shown of a record that was read from `path`. Takes as long as replaying its timelines does.

    Raises RehearsalError for a record with a damaged timeline.
    """
    run = record.measurement
    found = Profile(record=record, comparison=compare(record), residuals=None, alive=alive_at_failure(record))
    said: list[Sentence | Facts | Notes] = [answer_sentence(found), *instant_sentences(found.comparison)]
    if found.notes:
        said.append(Notes(title="Notes", items=found.notes, tone="caution"))
    if run.timing is not None:
        said.append(speed(run.timing))
    return SavedRun(
        path=path,
        model=named(run.model.id, run.model.overrides),
        recipe=run.recipe,
        device=run.machine.name,
        comparison=found.comparison,
        said=tuple(said),
        failed=run.failure is not None,
    )


def detail_blocks(run: SavedRun | UnreadRun) -> Iterator[Block]:
    """The selected run: what the report says, and predicted beside measured, all rows."""
    if isinstance(run, UnreadRun):
        yield Sentence(text=run.message, tone="bad")
        if run.hint:
            yield Sentence(text=f"hint: {run.hint}")
        return
    yield from run.said[:1]
    for table in (*peaks(run.comparison), *categories(run.comparison), *phases(run.comparison)):
        yield _whole(table)
    yield from run.said[1:]
    yield Sentence(text=f"Saved in {run.path}.")


def _whole(table: Table) -> Table:
    return replace(table, brief=None)


HEADINGS = ("model", "recipe", "device", "predicted", "measured", "difference", "error")
NUMBERS = frozenset(HEADINGS[3:])


def list_texts(runs: Collection[SavedRun | UnreadRun]) -> list[tuple[str, ...]]:
    """Each run's cells, under `HEADINGS`."""
    found = [run.peak for run in runs if isinstance(run, SavedRun) and run.peak is not None]
    show = bytes_column(size for peak in found for size in (peak.predicted_bytes, peak.measured_bytes))
    sign = signed_bytes(peak.bytes for peak in found)
    return [_cells(run, show, sign) for run in runs]


def _cells(
    run: SavedRun | UnreadRun, show: Callable[[Any], str], sign: Callable[[Any], str]
) -> tuple[str, ...]:
    if isinstance(run, UnreadRun):
        return run.path, "cannot be read", *[""] * (len(HEADINGS) - 2)
    peak = run.peak
    line = run_line(run.recipe) + (", out of memory" if run.failed else "")
    if peak is None:
        return run.model, line, run.device, *[""] * 4
    sizes = show(peak.predicted_bytes), show(peak.measured_bytes), sign(peak.bytes)
    return run.model, line, run.device, *sizes, signed_share(peak.error)
