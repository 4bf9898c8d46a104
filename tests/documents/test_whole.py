"""The whole report: all that `plan` and `show` say is in it, and every number is the JSON's."""

from dataclasses import replace

import pytest
from made_reports import tiny_report

from anatomy.documents.charts import MemoryTimeline, Treemap
from anatomy.documents.document import Bars, Code, Diagram, Facts, Notes, Section, Sentence, Table
from anatomy.documents.plan.run import plan_document
from anatomy.documents.whole import SECTIONS, plan_report


def sections(document):
    return {block.name: block for block in document.blocks if isinstance(block, Section)}


def blocks(document, kind):
    return [block for section in document.blocks for block in section.blocks if isinstance(block, kind)]


def test_everything_that_plan_says_is_in_it(made_plan):
    document = plan_report(made_plan, None, "anatomy plan x")
    inside = [block for section in document.blocks for block in section.blocks]
    for said in plan_document(made_plan).blocks:
        assert (
            said == inside[inside.index(said)]
            if isinstance(said, Sentence | Notes | Facts)
            else any(block.title == said.title for block in inside if isinstance(block, Table | Bars))
        )
    assert [type(b) for b in sections(document)["answer"].blocks] == [Sentence, Facts, Sentence, Notes]
    assert set(sections(document)) < set(SECTIONS)
    assert "further" not in sections(document)


def test_a_title_that_nobody_knows_stands_under_further(made_plan, monkeypatch):
    from anatomy.documents import whole

    new = Notes(title="What one also asks", items=("an answer",))
    said = plan_document(made_plan)
    monkeypatch.setattr(whole, "plan_document", lambda plan: _with(said, new))
    assert sections(plan_report(made_plan, None, None))["further"].blocks == (new,)


def _with(document, block):
    return replace(document, blocks=(*document.blocks, block))


def test_sections_in_order_with_every_kind_of_picture():
    document = tiny_report()
    names = [section.name for section in document.blocks]
    assert names == [name for name in SECTIONS if name not in ("further",)]
    assert [len(blocks(document, kind)) for kind in (MemoryTimeline, Treemap, Diagram)] == [1, 1, 1]


def test_parts_add_up_to_the_peak():
    document = tiny_report()
    peak = document.data["plan"]["peak"]["allocated_bytes"]
    assert sum(amount for _, amount in blocks(document, Bars)[0].items) == peak
    for title, at in (("At the peak, by what owns it", 2), (SECTIONS["modules"], 2)):
        (table,) = [table for table in blocks(document, Table) if table.title == title]
        assert sum(row[at] for row in table.rows) == table.total[at] == peak
    (timeline,) = blocks(document, MemoryTimeline)
    assert max(column.allocated_bytes for column in timeline.columns) == peak
    assert all(sum(column.stack) == column.allocated_bytes for column in timeline.columns)


def test_the_layer_ran_in_this_order():
    (diagram,) = blocks(tiny_report(), Diagram)
    assert [leaf.label for leaf in diagram.stage.leaves()] == [
        *("input_layernorm", "q_proj", "k_proj", "v_proj", "o_proj"),
        *("post_attention_layernorm", "gate_proj", "act_fn", "up_proj", "down_proj"),
    ]
    assert diagram.stage.parameters == 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64


def test_how_to_get_the_same_again():
    command, versions, recipe = blocks(tiny_report(), Code)
    assert command.text.startswith("anatomy plan ")
    assert command.text.endswith(" --method lora --r 8 --precision fp32 --batch-size 2 --seq-len 64")
    assert versions.text.startswith("pip install torch==")
    assert "+" not in versions.text
    assert 'method = "lora"' in recipe.text


def test_data_is_the_plans_and_the_models(made_plan):
    data = plan_report(made_plan, None, "anatomy plan x").data
    assert data["plan"] == {**made_plan.to_dict(), "modules": {}}
    assert (data["schema_version"], data["kind"], data["command"]) == (1, "plan", "anatomy plan x")
    tiny = tiny_report().data
    assert tiny["anatomy"]["parameters"]["total"] == tiny["charts"]["parameters"]["parameters"] == 106_816
    assert tiny["charts"]["timeline"]["peak"]["bytes"] == tiny["plan"]["peak"]["allocated_bytes"]


def test_chosen_sections_and_a_refusal_before_any_work():
    from anatomy import api
    from anatomy.errors import AnatomyError

    with pytest.raises(AnatomyError, match="There is no section 'gpu'"):
        api.report("no/such-model", sections=("gpu",))
