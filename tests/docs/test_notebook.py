"""examples/notebook.ipynb: its outputs are what its cells give now."""

import ast
import json
from typing import Any

import pytest
from generator.notebook import NOTEBOOK, executed

from anatomy.source.access import without_network


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def html(cell: dict[str, Any]) -> str:
    return "".join(cell["outputs"][0]["data"]["text/html"])


def given(cell: dict[str, Any], names: dict[str, Any]) -> Any:
    """What the cell's last expression is."""
    *before, last = ast.parse(source(cell)).body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(before, []), "<cell>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)


def test_every_cell_was_run_without_an_error() -> None:
    assert [cell["execution_count"] for cell in cells()] == list(range(1, len(cells()) + 1))
    for cell in cells():
        assert {output["output_type"] for output in cell["outputs"]} == {"execute_result"}
    assert NOTEBOOK.stat().st_size < 300_000


def test_a_model_and_a_plan_are_shown_as_they_are_now() -> None:
    names: dict[str, Any] = {}
    with without_network():
        for cell in cells()[:2]:
            assert given(cell, names)._repr_html_() == html(cell), "`make docs` runs it anew"
    plan = names["plan"].to_dict()
    for part in plan["breakdown"]:
        assert f">{part['category']}</th>" in html(cells()[1])
    assert f"{plan['peak']['allocated_bytes'] / 2**30:.2f} GiB" in html(cells()[1])


@pytest.mark.slow
def test_a_kernel_gives_what_is_shown() -> None:
    assert executed(NOTEBOOK) == NOTEBOOK.read_text(encoding="utf-8"), "`make docs` runs it anew"
