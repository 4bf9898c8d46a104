"""Reports of comparisons, grids and measured runs: nothing of what is said is lost, and the pictures have its numbers."""

import pytest
from made_cells import made_validation
from made_records import make_record

from anatomy.documents.charts import Accuracy, MemoryTimeline
from anatomy.documents.document import Code, Section
from anatomy.documents.others import AS_ON_CUDA, record_report, validation_report
from anatomy.documents.profile.run import profile_document
from anatomy.documents.validate import validate_document

MIB = 1 << 20


def flat(document):
    return [block for section in document.blocks for block in section.blocks]


def titled(block):
    """What tells blocks apart; tables made twice show their values with functions made twice."""
    return type(block), getattr(block, "title", ""), getattr(block, "rows", getattr(block, "items", None))


def titles(document):
    return [section.title for section in document.blocks]


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_a_measured_run(kind):
    record = make_record(kind)
    document, said = record_report(record, "anatomy report run.json"), profile_document(record)
    assert all(isinstance(block, Section) for block in document.blocks)
    kinds = [type(block) for block in flat(document)]
    assert all(type(block) in kinds for block in said.blocks)
    assert len(flat(document)) == len(said.blocks) + 2 + (2 if kind == "cpu" else 0) + 1
    drawn = [block for block in flat(document) if isinstance(block, MemoryTimeline)]
    assert [chart.scene.peak_bytes for chart in drawn] == [204 * MIB, 200 * MIB]
    assert (AS_ON_CUDA in [getattr(b, "text", "") for b in flat(document)]) == (kind == "cpu")
    assert document.data["run"] == said.data
    assert document.data["charts"]["predicted"]["peak"]["bytes"] == 200 * MIB
    assert flat(document)[-1] == Code(title="The command", text="anatomy report run.json", language="sh")


def test_a_grid():
    validation = made_validation()
    document, said = validation_report(validation, None), validate_document(validation)
    drawn = [block for block in flat(document) if isinstance(block, Accuracy)]
    kept = [b for b in flat(document) if not isinstance(b, Accuracy)]
    assert [titled(b) for b in kept] == [titled(b) for b in said.blocks]
    assert titles(document)[1].startswith("Predicted and measured: ")
    points = {(p.label, p.predicted_bytes, p.measured_bytes) for p in drawn[0].points}
    assert ("one", 200 * MIB, 204 * MIB) in points
    assert document.data["validation"] == said.data
    assert "reproduce" not in [section.name for section in document.blocks]
