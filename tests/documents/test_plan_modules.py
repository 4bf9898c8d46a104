"""`plan --by-module`: every module's part, in every format, and the parts add up."""

import json

import pytest

from anatomy import api
from anatomy.documents.document import Table
from anatomy.documents.plan.modules import OUTSIDE, module_table, with_modules
from anatomy.documents.plan.run import plan_document
from anatomy.render import render


@pytest.fixture
def plan(tiny_llama):
    return api.plan(str(tiny_llama), seq_len=64, method="lora", r=4)


def test_rows_add_up_to_the_peak(plan):
    table = module_table(plan.modules)
    assert table.total is not None
    for column in range(2, len(table.columns)):
        assert table.total[column] == sum(row[column] for row in table.rows)
    for row in table.rows:
        assert row[2] == sum(row[3:8])
    assert table.total[2] == plan.footprint.peak_allocated_bytes


def test_layers_that_are_alike_stand_in_one_row(plan):
    rows = {row[0]: row for row in module_table(plan.modules).rows}
    layers = sum(path.startswith("model.layers.") and path.endswith(".q_proj") for path in plan.modules)
    assert rows["model.layers.*.self_attn.q_proj"][1] == layers > 1
    assert OUTSIDE in rows


def test_json_and_markdown_have_all_of_them(plan):
    document = with_modules(plan_document(plan), plan)
    table = next(
        block for block in document.blocks if isinstance(block, Table) and "module by" in block.title
    )
    modules = json.loads(render(document, "json"))["modules"]
    allocated = sum(sum(share["peak"].values()) for share in modules.values())
    assert allocated == plan.footprint.peak_allocated_bytes
    text = render(document, "md").replace("\\", "")
    assert all(f"| {row[0]} |" in text for row in table.rows)
