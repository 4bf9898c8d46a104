"""The recipe's form, without a terminal: fields, values, rows, words."""

from dataclasses import fields, replace

import pytest

from anatomy.documents.plan.run import answer_sentence
from anatomy.errors import RecipeError
from anatomy.planning.plan import Plan
from anatomy.training.choices import CHOICES
from anatomy.training.recipe import Recipe
from anatomy.tui.recipe.fields import DEVICES, GPU, Field, all_fields
from anatomy.tui.recipe.pick import narrowed
from anatomy.tui.recipe.rows import Row, Shown, form_rows, reset_value
from anatomy.tui.recipe.values import parsed, stepped, text_of, typed_text, value_of
from anatomy.tui.recipe.words import Answer, line_text, panel_text

FIELDS = {field.name: field for field in all_fields()}


def row(name: str, **shown: object) -> Row:
    return next(r for r in form_rows(Shown(**{"recipe": Recipe(), **shown})) if r.field.name == name)


def test_every_setting_of_a_recipe_has_a_field_with_its_docstring():
    assert set(FIELDS) == {f.name for f in fields(Recipe)} | {GPU, DEVICES}
    assert all(field.about for field in FIELDS.values())
    assert FIELDS["seq_len"].about == "Tokens in every sequence."


def test_choices_are_the_recipes_own():
    for name, values in CHOICES.items():
        assert [option.value for option in FIELDS[name].options] == list(values)
    assert "adamw_bnb_8bit" in [option.value for option in FIELDS["optimizer"].options]
    assert [option.value for option in FIELDS["double_quant"].options] == [True, False]


@pytest.mark.parametrize("field", all_fields(), ids=lambda field: field.name)
def test_what_is_shown_to_be_typed_is_read_back(field: Field):
    recipe = Recipe(
        peft={"use_rslora": True, "exclude_modules": ["a", "b"]},
        target_modules=("q_proj", "v_proj"),
        quant_skip=("lm_head",),
        image_size=(448, 672),
        alpha=7,
    )
    value = value_of(field, recipe, "RTX 4090")
    assert text_of(field, value, recipe)
    if value not in (None, False, True):
        assert parsed(field, typed_text(field, value)) == value


def test_nothing_typed_is_the_default():
    assert parsed(FIELDS["seq_len"], "  ") is None


def test_names_and_patterns():
    targets = FIELDS["target_modules"]
    assert parsed(targets, "q_proj, mlp.down_proj,") == ("q_proj", "mlp.down_proj")
    assert parsed(targets, r".*\.(q|v)_proj") == r".*\.(q|v)_proj"
    assert parsed(targets, "all-linear") == "all-linear"
    with pytest.raises(RecipeError, match="not a regular expression"):
        parsed(targets, "(q")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("seq_len", "many"),
        ("dropout", "a bit"),
        ("image_size", "4x5x6"),
        ("peft", "use_rslora"),
        ("attn", "x"),
    ],
)
def test_what_is_no_value_is_refused_in_a_sentence(name: str, text: str):
    with pytest.raises(RecipeError) as refused:
        parsed(FIELDS[name], text)
    assert refused.value.setting == name
    assert refused.value.message.endswith(".")


def test_integers_double_and_halve_down_to_the_least():
    batch = FIELDS["batch_size"]
    assert [stepped(batch, 3, True), stepped(batch, 3, False), stepped(batch, 1, False)] == [6, 1, 1]
    assert [stepped(FIELDS["eval_batches"], 0, True), stepped(FIELDS["eval_batches"], 1, False)] == [1, 0]


def test_choices_go_round():
    precision = FIELDS["precision"]
    assert stepped(precision, "fp16-mixed", True) == "fp32"
    assert stepped(precision, "fp32", False) == "fp16-mixed"
    assert stepped(FIELDS["target_modules"], ("q_proj",), True) == "all-linear"


def test_what_is_chosen_is_marked_and_what_means_nothing_says_what_it_needs():
    assert row("r").mark == "default"
    assert row("r", recipe=Recipe(r=64)).mark == "chosen"
    assert row("r", chosen={"r"}).mark == "chosen"
    assert row("quant_type").needs == "a quantized base (qlora)"
    assert row("quant_type", recipe=Recipe(method="qlora")).needs == ""
    assert row(GPU, gpu="RTX 4090").mark == "chosen"


def test_a_methods_own_defaults_are_not_chosen():
    vera = Recipe.from_dict({"method": "vera"})
    assert vera.r == 256
    assert row("r", recipe=vera).mark == "default"
    assert reset_value("r", replace(vera, r=8)) == 256


def test_adapted_settings_show_what_runs_and_why(made_plan: Plan):
    ran = replace(made_plan.recipe, seq_len=512)
    plan = replace(made_plan, recipe=ran, adapted={"seq_len": "the most that its position table takes"})
    adapted = row("seq_len", recipe=made_plan.recipe, plan=plan)
    assert (adapted.text, adapted.mark, adapted.value) == ("512", "adapted", 2048)
    assert adapted.why == "the most that its position table takes"
    assert row("seq_len", recipe=made_plan.recipe, plan=plan, chosen={"seq_len"}).mark == "chosen"


def test_a_pick_list_narrows_by_words():
    found = [option.text for option in narrowed(FIELDS["optimizer"].options, "adamw 8bit")]
    assert "adamw_bnb_8bit" in found
    assert all("adamw" in name and "8bit" in name for name in found)
    assert narrowed(FIELDS["optimizer"].options, "lion")[0].text.startswith("lion")


@pytest.mark.parametrize("width", [34, 80])
def test_the_answer_has_the_reports_words_and_every_category(made_plan: Plan, width: int):
    said = panel_text(Answer(plan=made_plan), width).plain
    assert answer_sentence(made_plan).text in said
    assert made_plan.peak_words in said
    for category, letter in (("weights", "W"), ("activations", "a")):
        line = next(line for line in said.splitlines() if line.startswith(f"{letter} {category}"))
        assert len(line) <= width
    assert "160.00 MiB" in said  # allocated at the peak, which the parts add up to


def test_an_old_answer_says_that_it_is_old(made_plan: Plan):
    waiting = Answer(plan=made_plan, progress="rehearsing the training step")
    assert waiting.stale
    assert "⟳ rehearsing the training step" in panel_text(waiting, 60).plain
    assert "below, the answer before: lora r 8" in line_text(waiting, 80).plain
    failed = Answer(plan=made_plan, failure=("It does not run.", "try another"))
    assert failed.stale
    assert "✗ It does not run.\nhint: try another" in panel_text(failed, 60).plain
    assert not Answer(plan=made_plan).stale
    assert all(len(line) <= 40 for line in line_text(failed, 40).plain.splitlines())
    assert panel_text(Answer(), 40).plain == "No answer yet."


def test_at_80_columns_no_line_of_the_answer_is_broken(made_plan: Plan):
    said = panel_text(Answer(plan=made_plan), 28).plain
    parts = [line for line in said.splitlines() if line.endswith("iB") or "total" in line]
    assert all(len(line) <= 28 for line in said.splitlines() if line[:1].isalpha() and line[1:2] == " "), said
    assert len(parts) >= len(made_plan.footprint.by_category)
    figures = said[said.index("peak allocated") : said.index("The peak is")]
    assert all(len(line) <= 28 for line in figures.splitlines())
    assert made_plan.device in " ".join(figures.split()), "whose context it is"
    assert f"on {made_plan.device} " in line_text(Answer(plan=made_plan), 80).plain


def test_a_failure_has_its_sentence_and_its_hint_on_two_lines():
    failed = Answer(failure=("It is not there and this is a long sentence about it.", "look elsewhere"))
    assert line_text(failed, 40).plain.splitlines() == [
        "✗ It is not there and this is a long se…",
        "hint: look elsewhere",
    ]


def test_no_field_speaks_of_this_projects_insides():
    for field in all_fields():
        for inside in ("METHODS", "LOSSES", "peft_types", "loss_kinds", "tuple", "anatomy"):
            assert inside not in field.about, field.name
