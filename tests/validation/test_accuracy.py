"""Errors, their statistics, and the pages made of them."""

import csv
import io
import json
from dataclasses import replace

import pytest

from anatomy.errors import RecipeError
from anatomy.training.recipe import Recipe
from anatomy.validation.published import Figure, Row, study
from anatomy.validation.published.accuracy import Comparison, accuracies
from anatomy.validation.published.pages import to_csv, to_json, to_markdown
from anatomy.validation.published.predict import Prediction
from anatomy.validation.published.row import METRICS

GIB = 2**30
PEAK = Figure(metric="peak allocated", value=20.0, unit="GiB")
ROW = Row(
    id="run",
    publisher="somebody",
    source="org/repo@commit",
    where="file",
    kind="peak",
    tier="A",
    n_gpus=1,
    model="org/model",
    method="lora",
    trainer="transformers Trainer",
    kernels="stock",
    sequence="packed",
    batch_size=4,
    seq_len=4096,
    measured=(PEAK,),
    software={"torch": "2.4.1+cu121"},
    recipe=Recipe(method="lora"),
)


def compared(predicted: int | None) -> Comparison:
    return Comparison(
        row=ROW, figure=PEAK, measured_bytes=100, predicted_bytes=predicted, failure="" if predicted else "no"
    )


def test_errors_are_predicted_less_measured() -> None:
    assert (compared(90).error_bytes, compared(90).error) == (-10, -0.1)
    assert (compared(None).error_bytes, compared(None).error) == (None, None)


def test_statistics_of_a_group() -> None:
    (found,) = accuracies([compared(n) for n in (90, 101, 103, None)], lambda c: c.row.method)
    assert (found.group, found.comparisons, found.failures) == ("lora", 3, 1)
    assert found.median == pytest.approx(0.03)
    assert found.p95 == pytest.approx(0.10)
    assert found.worst == pytest.approx(-0.10)
    assert found.bias == pytest.approx(-0.02)
    assert found.underestimates == pytest.approx(1 / 3)


def test_p95_leaves_out_one_error_in_twenty() -> None:
    (found,) = accuracies([compared(100 + n) for n in range(1, 21)], lambda c: "all")
    assert found.p95 == pytest.approx(0.19)
    assert found.worst == pytest.approx(0.20)


def test_a_group_without_numbers_still_counts_its_failures() -> None:
    (found,) = accuracies([compared(None)], lambda c: "all")
    assert (found.comparisons, found.failures) == (0, 1)
    assert found.median is found.p95 is found.worst is found.bias is found.underestimates is None


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> study.Study:
    """A study of four rows: one predicted, one refused, one that breaks, one that is not comparable."""

    def predict(row: Row) -> Prediction:
        if row.id == "refused":
            raise RecipeError("this model cannot run it.", hint="another")
        if row.id == "broken":
            raise ValueError("first line\nsecond line")
        return Prediction(figures={"peak allocated": 19 * GIB}, peak="in backward", failures={})

    monkeypatch.setattr(study, "predict", predict)
    other = [replace(ROW, id=name) for name in ("refused", "broken")]
    told: list[str] = []
    return study.study([ROW, *other, replace(ROW, id="fused", kernels="liger")], told.append)


def test_failures_stay_in_the_table_and_exclusions_have_reasons(found: study.Study) -> None:
    assert [c.row.id for c in found.comparisons] == ["run", "refused", "broken"]
    assert [c.predicted_bytes for c in found.comparisons] == [19 * GIB, None, None]
    assert [c.failure for c in found.comparisons] == [
        "",
        "this model cannot run it.",
        "ValueError: first line",
    ]
    assert [(row.id, reason) for row, reason in found.excluded] == [
        ("fused", "kernels are not the stock ones (liger)")
    ]


def test_the_pages_agree(found: study.Study) -> None:
    document = json.loads(to_json(found))
    lines = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert [line["id"] for line in lines] == [c["id"] for c in document["comparisons"]]
    assert [line["error_bytes"] for line in lines] == [str(-GIB), "", ""]
    assert document["comparisons"][0]["error_percent"] == -5.0
    assert document["not_compared"][0]["reason"].startswith("kernels")
    page = to_markdown(found)
    assert "| run | org/model | lora | peak allocated | torch 2.4.1 | in backward |" in page
    assert "| -1.000 | -5.00 % |" in page
    assert "no number" in page
    assert "| kernels are not the stock ones (liger) | 1 |" in page
    assert all(name in page for name in METRICS)
