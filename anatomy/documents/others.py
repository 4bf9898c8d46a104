"""Reports of what is no plan: comparisons, grids and measured runs, with their pictures and in sections."""

from dataclasses import replace

from anatomy.documents.charts import Chart, MemoryTimeline
from anatomy.documents.charts_of import COLUMNS, accuracy_of, comparison_breakdown
from anatomy.documents.compare import compare_document
from anatomy.documents.document import Block, Code, Document, Section, Sentence
from anatomy.documents.profile.run import profile_document
from anatomy.documents.scene import scene
from anatomy.documents.sections import by_title
from anatomy.documents.validate import validate_document
from anatomy.documents.whole import SCHEMA_VERSION
from anatomy.memory.allocator import replay
from anatomy.memory.levels import sampled
from anatomy.memory.timeline import Timeline
from anatomy.planning.compare import Comparison
from anatomy.profiling.record import Record
from anatomy.validation.scores import PEAKS, Validation

AS_ON_CUDA = (
    "Drawn as the CUDA caching allocator would round and keep these blocks: the levels lie somewhat above the bytes "
    "that were requested, which the tables give."
)


def comparison_report(comparison: Comparison, command: str | None) -> Document:
    """The report of a comparison."""
    chart = comparison_breakdown(comparison)
    drawn = (Section(name="peaks", title="The peaks side by side", blocks=(chart,)),) if chart.bars else ()
    return _report("comparison", compare_document(comparison), drawn, command)


def validation_report(validation: Validation, command: str | None) -> Document:
    """The report of a grid."""
    charts = (accuracy_of(validation, metric) for metric in validation.metrics if metric in PEAKS.values())
    drawn = tuple(
        Section(
            name=f"drawn-{number}", title=f"Predicted and measured: {chart.points[0].figure}", blocks=(chart,)
        )
        for number, chart in enumerate((chart for chart in charts if chart.points), start=1)
    )
    return _report("validation", validate_document(validation), drawn, command)


def record_report(record: Record, command: str | None) -> Document:
    """The report of a measured run. Raises RehearsalError for a record with a damaged timeline."""
    sides = {"measured": record.measurement.observed, "predicted": record.prediction.timeline}
    note = (Sentence(text=AS_ON_CUDA),) if record.measurement.machine.kind == "cpu" else ()
    drawn = tuple(
        Section(name=name, title=f"Memory through the run, {name}", blocks=(chart, *note))
        for name, timeline in sides.items()
        if timeline is not None
        and (chart := run_timeline(timeline, f"{record.measurement.model.id}, {name}"))
    )
    return _report("run", profile_document(record), drawn, command)


def run_timeline(timeline: Timeline, title: str) -> MemoryTimeline | None:
    """A whole run, replayed without a limit; None where nothing is ever allocated."""
    found = scene(replay(timeline)) if timeline.trace else None
    if found is None:
        return None
    return MemoryTimeline(title=title, scene=found, sampled=sampled(found.levels, COLUMNS))


def _report(kind: str, said: Document, drawn: tuple[Section, ...], command: str | None) -> Document:
    """What is said, in sections, the pictures behind the answer; and how to get the same again."""
    first, *others = by_title(said).blocks
    again: tuple[Block, ...] = ()
    if command is not None:
        code = Code(title="The command", text=command, language="sh")
        again = (Section(name="reproduce", title="The same again", blocks=(code,)),)
    charts: dict[str, Chart] = {
        section.name: block for section in drawn for block in section.blocks if isinstance(block, Chart)
    }
    return replace(
        said,
        blocks=(first, *drawn, *others, *again),
        data={
            "schema_version": SCHEMA_VERSION,
            "kind": kind,
            "title": said.title,
            "command": command,
            kind: said.data,
            "charts": {name: chart.to_dict() for name, chart in charts.items()},
        },
    )
