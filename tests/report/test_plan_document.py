"""What `plan` says: the answer first, all parts, and nothing left out of the flat table."""

from dataclasses import replace

import pytest

from anatomy.report.document import Bars, Facts, Notes, Sentence, Table
from anatomy.report.plan import plan_document
from anatomy.training.recipe import Recipe

MIB = 1 << 20


def answer(plan):
    first = plan_document(plan).blocks[0]
    assert isinstance(first, Sentence)
    return first


def test_the_answer_comes_first(made_plan):
    assert answer(made_plan).text == (
        "Fits after freeing cache on Tight (1.18 GiB) with 0.02 GiB to spare: the smallest GPU that will do "
        "without reservations (Old: emulates bf16)."
    )
    assert answer(made_plan).tone == "good"


def test_the_answer_for_one_gpu(made_plan):
    large = replace(made_plan, fits=made_plan.fits[-1:])
    small = replace(made_plan, fits=made_plan.fits[:1])
    assert answer(large).text == "Fits on Large (2.00 GiB) with 0.80 GiB to spare."
    assert answer(small).text == (
        "Does not fit on Small (1.15 GiB): out of memory in backward of step 1, in lm_head (aten.add)."
    )
    assert answer(small).tone == "bad"


def test_the_answer_when_nothing_will_do(made_plan):
    none = replace(made_plan, fits=(made_plan.fits[0], replace(made_plan.fits[0], gpu="Other")))
    assert answer(none).text.startswith("Does not fit on any single GPU of the table (the largest: Other)")


def test_bars_add_up_to_the_peak(made_plan):
    (bars,) = (b for b in plan_document(made_plan).blocks if isinstance(b, Bars))
    assert bars.total == made_plan.footprint.peak_allocated_bytes


def test_recipe_is_complete(made_plan):
    facts = next(b for b in plan_document(made_plan).blocks if isinstance(b, Facts) and b.title == "Recipe")
    said = dict(facts.items)
    assert said["chosen"] == "r 8, target_modules (q_proj, v_proj)"
    for name in Recipe().to_dict().keys() - {
        "r",
        "target_modules",
        "quant_type",
        "double_quant",
        "kbit_prepare",
        "load_dtype",
    }:
        assert f"{name} " in said["default"]
    assert "alpha 16 (twice r)" in said["default"]


def test_warnings_come_before_the_breakdown(made_plan):
    kinds = [(type(b), getattr(b, "title", "")) for b in plan_document(made_plan).blocks]
    assert kinds.index((Notes, "Warnings")) < kinds.index((Bars, "Allocated at the peak"))


def test_the_flat_table_has_everything(made_plan):
    table = plan_document(made_plan).table
    sections = {}
    for section, name, size, *_ in table.rows:
        sections.setdefault(section, {})[name] = size
    assert sections["peak"] == {"allocated": 160 * MIB, "reserved": 200 * MIB, "device": (1024 + 200) * MIB}
    assert sum(sections["breakdown"].values()) == sections["peak"]["allocated"]
    assert list(sections["fits"]) == ["Small", "Old", "Tight", "Boxed", "Large"]


@pytest.mark.parametrize("count", [1, 5, 42])
def test_a_terminal_shows_few_rows_and_the_best(made_plan, count):
    large = made_plan.fits[-1]
    fits = tuple(replace(large, gpu=f"G{i}", memory_bytes=large.memory_bytes * (i + 1)) for i in range(count))
    table = next(
        b
        for b in plan_document(replace(made_plan, fits=fits)).blocks
        if isinstance(b, Table) and "fits" in b.title
    )
    shown = table.brief or tuple(range(count))
    assert table.best in shown
    assert len(shown) <= 11
    assert shown == tuple(sorted(set(shown)))


def test_the_rows_shown_tell_where_it_begins_to_fit(made_plan):
    """The last that is too small, what fits with a reservation, and the best."""
    table = next(b for b in plan_document(made_plan).blocks if isinstance(b, Table) and "fits" in b.title)
    shown = range(len(table.rows)) if table.brief is None else table.brief
    assert [table.rows[index][0] for index in shown] == ["Small", "Old", "Tight", "Large"]
    assert table.rows[table.best][0] == "Tight"
