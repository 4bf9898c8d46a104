"""What `anatomy profile` says: the measured run beside its prediction, the answer first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anatomy.documents.document import Block, Document, Facts, Notes, Sentence, as_json, named
from anatomy.documents.plan.run import run_line
from anatomy.documents.profile.data import flat_table, profile_data
from anatomy.documents.profile.failure import failure_blocks, failure_sentence
from anatomy.documents.profile.speed import kernels, speed
from anatomy.documents.profile.tables import categories, peaks, phases, residual_tables
from anatomy.documents.signed import signed_share
from anatomy.planning.settings import complete, defaults_beside, settings_in_use
from anatomy.planning.words import where
from anatomy.profiling.measurement import Measurement
from anatomy.profiling.record import Record
from anatomy.units import format_bytes, format_count, format_share
from anatomy.validation.alive import Alive, alive_at_failure
from anatomy.validation.comparison import ProfileComparison, compare
from anatomy.validation.residuals import Residuals, residuals

CLOSE = 0.01
"""A peak that is foreseen to within this share is called good."""
NO_GPU = (
    "No GPU: these are the CPU allocator's numbers, in bytes as they were requested. A GPU's kernels, its caching "
    "allocator and its context are not seen. Scratch that the CPU's kernels take for themselves (for products in bf16, 8-bit "
    "optimizers, convolutions) and what its own autocast does are not predicted: they stand in the list below."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """A record and everything that follows from it."""

    record: Record
    comparison: ProfileComparison
    residuals: Residuals | None
    alive: Alive | None
    """Set where the run ended out of memory."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers should know."""
        listed = () if self.residuals is None else self.residuals.notes
        return (
            *self.record.measurement.notes,
            *self.comparison.notes,
            *listed,
            *_versions_differ(self.record),
        )


def profile_document(record: Record) -> Document:
    """The report on a measured run. Raises RehearsalError for a record with a damaged timeline."""
    found = Profile(
        record=record,
        comparison=compare(record),
        residuals=residuals(record),
        alive=alive_at_failure(record),
    )
    run = record.measurement
    return Document(
        title=f"{named(run.model.id, run.model.overrides)}: {run_line(run.recipe)}, measured",
        blocks=tuple(_blocks(found)),
        table=flat_table(record, found.comparison, found.residuals, found.alive),
        data=profile_data(record, found.comparison, found.residuals, found.alive, found.notes),
    )


def _blocks(found: Profile) -> Iterator[Block]:
    record, comparison = found.record, found.comparison
    run = record.measurement
    yield answer_sentence(found)
    if run.machine.kind == "cpu":
        yield Sentence(text=NO_GPU, tone="caution")
    if run.failure is not None:
        yield from failure_blocks(record, comparison, found.alive)
    yield from peaks(comparison)
    yield from instant_sentences(comparison)
    if found.notes:
        yield Notes(title="Notes", items=found.notes, tone="caution")
    yield from categories(comparison)
    yield from phases(comparison)
    if run.timing is not None:
        yield speed(run.timing)
    if run.kernels:
        yield kernels(run)
    if found.residuals is not None:
        yield from residual_tables(found.residuals)
    yield Facts(title="Machine", items=tuple(_machine(run)))
    yield Facts(title="Run", items=tuple(_run(record)))
    yield Notes(title="Assumed by the prediction", items=record.prediction.assumptions)
    yield Notes(title="Not modelled", items=record.prediction.not_modelled)
    yield Sentence(text=f"{run.model.architecture}, read from {run.model.origin}, {run.weights} weights.")
    yield Sentence(text=f"Measured with {_listed(run.machine.versions)}.")


def answer_sentence(found: Profile) -> Sentence:
    """Where and how much, and what had been said of it."""
    run, peak = found.record.measurement, found.comparison.peak("allocated")
    if run.failure is not None:
        return failure_sentence(run)
    if peak is None:
        return Sentence(
            text=f"Ran on {run.machine.name}; no memory was measured that a prediction could stand beside.",
            tone="caution",
        )
    what = "peak allocated" if found.comparison.unit == "allocator" else "peak requested"
    error = peak.error
    return Sentence(
        text=f"Measured on {run.machine.name}: {what} {format_bytes(peak.measured_bytes)}, predicted "
        f"{format_bytes(peak.predicted_bytes)} ({signed_share(error)}).",
        tone="good" if error is not None and abs(error) <= CLOSE else "caution",
    )


def instant_sentences(comparison: ProfileComparison) -> Iterator[Sentence]:
    """Where the peak is, on both sides."""
    at, seen = comparison.predicted_at, comparison.measured_at
    if at is None:
        return
    predicted = where(at.phase, at.step, at.module, at.op)
    if seen is None:
        yield Sentence(text=f"The predicted peak is {predicted}.")
        return
    measured = where(seen.phase, seen.step, seen.module, seen.op)
    same = "as predicted" if predicted == measured else f"predicted {predicted}"
    yield Sentence(text=f"The peak is {measured}; {same}.")


def _machine(run: Measurement) -> Iterator[tuple[str, str]]:
    machine = run.machine
    yield "device", f"{machine.name} ({format_bytes(machine.memory_bytes)})"
    if machine.capability is not None:
        major, minor = machine.capability
        yield (
            "GPU",
            f"compute capability {major}.{minor}, {machine.multiprocessors} multiprocessors, "
            f"driver {machine.driver or 'unknown'}",
        )
        yield "allocator settings", machine.allocator or "torch's defaults"
    for name, size in (
        ("context", run.context_bytes),
        ("peak resident memory", run.peak_rss_bytes),
        ("host blocks left out", run.host_bytes or None),
    ):
        if size is not None:
            yield name, format_bytes(size)
    yield "system", f"Python {machine.python}, {machine.platform}"


def _run(record: Record) -> Iterator[tuple[str, str]]:
    run, said = record.measurement, record.prediction
    trainable = format_share(said.trainable_parameters, said.total_parameters)
    yield (
        "trainable",
        f"{format_count(said.trainable_parameters)} of {format_count(said.total_parameters)} parameters "
        f"({trainable})",
    )
    defaults = defaults_beside(run.recipe)
    used = settings_in_use(complete(run.recipe))
    chosen = [f"{key}={as_json(value)}" for key, value in run.model.overrides.items()]
    chosen += [_setting(name, value) for name, value in used.items() if value != defaults[name]]
    if chosen:
        yield "chosen", ", ".join(chosen)
    yield (
        "default",
        ", ".join(_setting(name, value) for name, value in used.items() if value == defaults[name]),
    )
    yield from record.labels.items()


def _setting(name: str, value: object) -> str:
    words = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
    return f"{name} {', '.join(words) if isinstance(words, list) else words}"


def _versions_differ(record: Record) -> Iterator[str]:
    mine, theirs = record.prediction.versions, record.measurement.machine.versions
    other = [name for name in mine if name in theirs and mine[name] != theirs[name]]
    if other:
        listed = ", ".join(f"{name} {mine[name]} instead of {theirs[name]}" for name in other)
        yield f"the prediction was made with other versions than ran: {listed}"


def _listed(versions: object) -> str:
    pairs: Iterable[tuple[str, str]] = dict(versions).items()  # type: ignore[call-overload]
    return ", ".join(f"{name} {version}" for name, version in pairs) or "libraries of unknown versions"
