"""`anatomy optimizers`: every name once, the books beside the rehearsal, each difference with its reason."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from anatomy import api
from anatomy.cli.root import anatomy
from anatomy.documents.document import Notes, Table
from anatomy.documents.optimizers import optimizers_document
from anatomy.errors import RecipeError
from anatomy.planning.optimizer_costs import OptimizerTable
from anatomy.planning.textbook import TEXTBOOK
from anatomy.render import render
from anatomy.render.style import Style
from anatomy.training.optimizers.names import known_names
from anatomy.versions import installed

REPORT = Path(__file__).parents[2] / "reports" / "optimizers.md"


ALIKE = {
    *("ademamix_8bit", "lion_8bit", "rmsprop_bnb", "rmsprop_bnb_8bit", "rmsprop_bnb_32bit", "adamw_bnb_8bit"),
    *(
        "paged_adamw_8bit",
        "paged_ademamix_32bit",
        "paged_ademamix_8bit",
        "paged_lion_32bit",
        "paged_lion_8bit",
    ),
}
"""Made by the same class as another name; the slow test has them all."""


@pytest.fixture(scope="module")
def costs() -> OptimizerTable:
    return api.optimizers(only=[name for name in known_names() if name not in ALIKE])


def text(costs: OptimizerTable, form: str) -> str:
    return str(render(optimizers_document(costs), form, Style()))


def test_every_name_stands_once(costs):
    names = [name for name in known_names() if name not in ALIKE]
    assert [row.name for row in costs.rows] == names
    assert [row[0] for row in optimizers_document(costs).table.rows] == names
    for row in costs.rows:
        assert bool(row.costs) != bool(row.missing)


@pytest.mark.parametrize(
    ("name", "bf16", "fp32"),
    [
        ("adamw_torch_fused", (4, 0), (8, 0)),  # two states; one kernel
        (
            "adamw_torch",
            (4, 2),
            (8, 4),
        ),  # fms-acceleration's A100: 10 B at the peak of a bf16 step, 6 of them before
        ("sgd", (0, 0), (0, 0)),
        ("adagrad", (2, 4), (4, 8)),
        ("rmsprop", (2, 2), (4, 4)),
        ("ademamix", (12, 0), (12, 0)),
        ("lion_32bit", (4, 0), (4, 0)),
    ],
)
def test_figures_that_are_known(costs, name, bf16, fp32):
    found = next(row.costs for row in costs.rows if row.name == name)
    for precision, (states, step) in (("bf16", bf16), ("fp32", fp32)):
        cost = found[precision]
        assert cost.per_parameter(cost.state_bytes) == pytest.approx(states, abs=0.01)
        assert cost.per_parameter(cost.step_bytes) == pytest.approx(step, abs=0.01)


def test_temporaries_of_one_weight_are_told_from_those_of_all(costs):
    kinds = {row.name: row.one_at_a_time for row in costs.rows}
    assert (kinds["adafactor"], kinds["adamw_torch"], kinds["adamw_torch_fused"]) == (True, False, None)


def test_each_difference_from_a_book_has_a_reason(costs):
    for row in costs.rows:
        said = TEXTBOOK[row.name].said
        for cost in row.costs.values():
            states = cost.per_parameter(cost.state_bytes)
            if not isinstance(said, float) or abs(states - said) > 0.01:
                assert TEXTBOOK[row.name].why, f"{row.name}: {states:.2f} B rehearsed, {said} written"


def test_paged_states_are_on_the_host(costs):
    row = next(row for row in costs.rows if row.name == "paged_adamw_32bit")
    cost = row.costs["bf16"]
    assert cost.per_parameter(cost.host_bytes) == pytest.approx(8, abs=0.01)
    assert cost.per_parameter(cost.state_bytes) < 0.01


def test_all_formats_say_the_same(costs):
    data = json.loads(text(costs, "json"))
    assert data["schema_version"] == 1
    by_name = {entry["optimizer"]: entry for entry in data["optimizers"]}
    assert isinstance(by_name["adamw_torch"]["bf16"]["state_bytes"], int)
    assert by_name["adamw_torch"]["textbook"]["said"] == 8.0
    lines = text(costs, "csv").splitlines()
    assert len(lines) == len(costs.rows) + 1
    assert "| adamw_torch | rehearsed | 4.00 | 2.00 | 8.00 | 4.00 | 8.00 |" in text(costs, "md")
    assert "adamw_torch_fused" in text(costs, "table")


def test_what_was_measured_stands_beside(costs):
    table = next(
        b for b in optimizers_document(costs).blocks if isinstance(b, Table) and "measured" in b.title
    )
    for name, _, measured, rehearsed, _ in table.rows:
        assert rehearsed == pytest.approx(measured, abs=0.05), name


def test_the_checked_in_report_has_these_rows(costs):
    check_report(costs)


@pytest.mark.slow
def test_the_checked_in_report_is_today_s():
    check_report(api.optimizers())


def check_report(costs: OptimizerTable) -> None:
    """The rows of the names that this environment runs, when its versions are the report's."""
    report = REPORT.read_text(encoding="utf-8")
    stated = dict(re.findall(r"([\w-]+) (\d[\w.+-]*\w)", report.splitlines()[-1]))
    if any(stated.get(name) != version for name, version in installed().items()):
        pytest.skip("the report was made with other versions")
    today = text(costs, "md").splitlines()
    names = [row.name for row in costs.rows if row.costs or row.kind.refused]
    rows = [line for line in today if line.startswith("| ") and line.split()[1] in names]
    assert len(rows) >= len(names)
    for line in rows:
        assert line in report, "run `make optimizers`"


def test_some_names_on_a_model_of_one_s_own(tmp_path):
    from tiny_models import TINY_LLAMA

    (tmp_path / "config.json").write_text(json.dumps(TINY_LLAMA))
    done = CliRunner().invoke(
        anatomy, ["optimizers", str(tmp_path), "--only", "sgd,adamw_torch_fused", "--json"]
    )
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert [entry["optimizer"] for entry in data["optimizers"]] == ["adamw_torch_fused", "sgd"]
    assert "trained in full" in data["model"]


def test_a_name_that_is_none_is_refused():
    with pytest.raises(RecipeError, match="not an optimizer"):
        api.optimizers(only=("adam",))


def test_reasons_are_given_once(costs):
    notes = next(b for b in optimizers_document(costs).blocks if isinstance(b, Notes) and "differ" in b.title)
    reasons = [item.partition(": ")[2] for item in notes.items]
    assert len(reasons) == len(set(reasons))
