"""What `plan` says: the answer first, all parts, and nothing left out of the flat table."""

from dataclasses import replace

import pytest

from anatomy.documents.document import Bars, Facts, Notes, Sentence, Table
from anatomy.documents.plan.run import plan_document
from anatomy.planning.settings import settings_in_use
from anatomy.training.recipe import Recipe

MIB = 1 << 20


def answer(plan):
    first = plan_document(plan).blocks[0]
    assert isinstance(first, Sentence)
    return first


def facts(plan, title):
    return dict(
        next(b for b in plan_document(plan).blocks if isinstance(b, Facts) and b.title == title).items
    )


def test_the_answer_comes_first(made_plan):
    assert answer(made_plan).text == (
        "Fits on Large (2.00 GiB) with 824.00 MiB to spare: the smallest GPU that will do without reservations "
        "(Old: only by giving cached memory back, emulates bf16; Tight: only by giving cached memory back)."
    )
    assert answer(made_plan).tone == "good"


def test_to_fit_by_freeing_cache_is_no_headroom(made_plan):
    tight = replace(made_plan, fits=tuple(f for f in made_plan.fits if f.gpu in ("Small", "Tight")))
    assert answer(tight).text == (
        "Fits on Tight (1.18 GiB) only by giving cached memory back: the smallest GPU that will do."
    )
    assert answer(tight).tone == "caution"
    table = next(b for b in plan_document(tight).blocks if isinstance(b, Table) and "fits" in b.title)
    shown = dict(zip([c.name for c in table.columns], table.texts(table.rows[1]), strict=True))
    assert (shown["verdict"], shown["headroom_bytes"]) == ("fits after freeing cache", "")
    assert "slower, and without a margin" in table.caption
    (alone,) = [fit for fit in tight.fits if fit.gpu == "Tight"]
    assert answer(replace(tight, fits=(alone,))).text == (
        "Fits on Tight (1.18 GiB) only by giving cached memory back."
    )


def test_the_answer_for_one_gpu(made_plan):
    large = replace(made_plan, fits=made_plan.fits[-1:])
    small = replace(made_plan, fits=made_plan.fits[:1])
    assert answer(large).text == "Fits on Large (2.00 GiB) with 824.00 MiB to spare."
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
    said = facts(made_plan, "Recipe")
    assert said["chosen"] == "r 8, target_modules (q_proj, v_proj)"
    for name in settings_in_use(made_plan.recipe).keys() - {"r", "target_modules"}:
        assert f"{name} " in said["default"]
    assert "alpha 16 (twice r)" in said["default"]


def test_warnings_come_before_the_breakdown(made_plan):
    kinds = [(type(b), getattr(b, "title", "")) for b in plan_document(made_plan).blocks]
    assert kinds.index((Notes, "Warnings")) < kinds.index((Bars, "Allocated at the peak"))


def test_what_was_set_by_hand_is_said(made_plan):
    overrides = {"num_hidden_layers": 4, "text_config.hidden_act": "gelu"}
    changed = replace(made_plan, model=replace(made_plan.model, overrides=overrides))
    document = plan_document(changed)
    assert document.title.startswith(
        "org/a_model[x] with num_hidden_layers=4, text_config.hidden_act=gelu: lora"
    )
    assert document.data["model"]["overrides"] == overrides
    assert facts(changed, "Recipe")["chosen"].startswith(
        "num_hidden_layers=4, text_config.hidden_act=gelu, r 8"
    )


def test_what_gave_way_to_the_model_is_said(made_plan):
    why = "the most that its position table takes"
    adapted = replace(made_plan, recipe=replace(made_plan.recipe, seq_len=512), adapted={"seq_len": why})
    said = facts(adapted, "Recipe")
    assert said["adapted"] == f"seq_len 512, {why}"
    assert "seq_len" not in said["default"] + said["chosen"]
    assert plan_document(adapted).data["adapted"] == {"seq_len": why}


def test_the_recipe_in_json_is_effective(made_plan):
    assert plan_document(made_plan).data["recipe"]["alpha"] == 16


def test_the_flat_table_has_everything(made_plan):
    table = plan_document(made_plan).table
    names = [column.name for column in table.columns]
    sections = {}
    for row in table.rows:
        cells = dict(zip(names, row, strict=True))
        sections.setdefault(cells["section"], {})[cells["name"]] = cells
    sizes = {
        section: {name: cells["bytes"] for name, cells in rows.items()} for section, rows in sections.items()
    }
    assert sizes["peak"] == {
        "allocated": 160 * MIB,
        "reserved": 200 * MIB,
        "context": 1024 * MIB,
        "device": (1024 + 200) * MIB,
    }
    assert sum(sizes["breakdown"].values()) == sizes["peak"]["allocated"]
    assert max(sizes["phase_peak"].values()) == sizes["peak"]["allocated"]
    assert sizes["resting"].keys() == sizes["phase_peak"].keys()
    assert sections["parameters"]["trainable"]["value"] == 1_000_000
    assert sections["recipe"]["r"]["value"] == "8"
    assert sections["recipe"].keys() == Recipe().to_dict().keys()
    assert list(sections["fits"]) == ["Small", "Old", "Tight", "Boxed", "Large"]
    large = sections["fits"]["Large"]
    assert (large["bytes"], large["memory_bytes"]) == (None, 2048 * MIB)
    assert large["headroom_bytes"] == large["memory_bytes"] - large["context_bytes"] - large["reserved_bytes"]


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
    assert table.rows[table.best][0] == "Large"
