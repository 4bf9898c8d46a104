"""A grid's cells with made-up records, for the tests of scores and of the report on them."""

from typing import Any

from made_records import failed_record, make_record, predicted_timeline

from anatomy.profiling.cells.results import FailedCell
from anatomy.profiling.record import Record
from anatomy.training.recipe import Recipe
from anatomy.validation.cell import Cell
from anatomy.validation.scores import Validation, failed, score, unscored

VERSIONS = {"torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2", "bitsandbytes": "0.50.0"}


def make_cell(name: str, **changes: Any) -> Cell:
    """A cell of a GPU's grid."""
    given: dict[str, Any] = {
        "model": "org/a_model[x]",
        "family": "llama",
        "recipe": Recipe(method="full"),
        "profile": {"device": "cuda"},
    }
    return Cell(name=name, **{**given, **changes})


def cell_record(cell: Cell, kind: str = "cuda", **changes: Any) -> Record:
    """A record of the cell: 200 MiB predicted and 204 measured at the allocated peak."""
    return make_record(kind, labels=cell.labels, **changes)


def made_validation() -> Validation:
    """Two cells that are off by 4 MiB and one that is exact, one out of memory, one refused, one of other versions."""
    cells = [make_cell("one"), make_cell("two", hold_out=True), make_cell("exact", family="bert")]
    scores = [score(cell_record(cell)) for cell in cells[:2]]
    scores.append(score(cell_record(cells[2], observed=predicted_timeline())))
    short = failed_record()
    scores.append(score(Record(
        measurement=short.measurement, prediction=short.prediction, labels=make_cell("short").labels
    )))  # fmt: skip
    refused = make_cell("refused", recipe=Recipe(method="lora"), overrides={"num_hidden_layers": 2})
    reason = FailedCell(
        name="refused", kind="error", reason="this | model cannot run it.", labels=refused.labels
    )
    scores.append(failed(refused, reason))
    scores.append(unscored(cell_record(make_cell("old")), "measured with torch 2.12.0, installed 2.13.0"))
    return Validation(title="a grid", cells=tuple(scores), left=("later",), versions=VERSIONS)
