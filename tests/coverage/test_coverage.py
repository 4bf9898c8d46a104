"""Every architecture: a fixed sample is answered as the coverage table says, and the table counts what it says."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from anatomy.architecture.anatomy import anatomy_from
from anatomy.coverage.examine import METHODS, Answer, Examined, examine_pair
from anatomy.coverage.pairs import TASKS, Pair, all_pairs, sample
from anatomy.coverage.run import run_pairs
from anatomy.coverage.shallow import shallow
from anatomy.coverage.table import coverage_document, met, share
from anatomy.coverage.valid import corrections, describe
from anatomy.render import render

ROOT = Path(__file__).parents[2]
SAMPLE, LAYERS = 40, 2


def row(name: str, task: str = "causal-lm", **verdicts: str) -> Examined:
    pair = Pair(task=task, model_type=name, class_name="X")
    answers = {method: Answer(verdict=verdicts.get(method, "answered")) for method in METHODS}
    return Examined(pair=pair, parameters=10, unclassified=(), refused="", answers=answers)


def published() -> dict[tuple[str, str], dict[str, str]]:
    with (ROOT / "reports" / "coverage.csv").open(encoding="utf-8", newline="") as file:
        return {(line["task"], line["model_type"]): line for line in csv.DictReader(file)}


def test_the_pairs_are_those_of_transformers():
    pairs = all_pairs()
    assert {pair.task for pair in pairs} == set(TASKS)
    assert len(pairs) == len(set(pairs)) > 500
    assert Pair(task="causal-lm", model_type="llama", class_name="LlamaForCausalLM") in pairs
    assert {pair.task for pair in sample(pairs, SAMPLE)} == set(TASKS)


def test_every_correction_is_of_a_model_type_and_has_a_reason():
    known = {pair.model_type for pair in all_pairs()}
    for model_type, correction in corrections().items():
        assert model_type in known
        assert correction.reason
        assert correction.config or correction.parts


def test_few_layers_cut_every_part_and_its_lists():
    config = {"n_layer": 5, "kinds": ["a"] * 5, "vision_config": {"depth": 9, "sizes": [1, 2]}, "width": 9}
    assert shallow(config, 2) == {
        "n_layer": 2,
        "kinds": ["a"] * 2,
        "vision_config": {"depth": 2, "sizes": [1, 2]},
        "width": 9,
    }


def test_shares_and_goals():
    rows = [row(f"m{i}") for i in range(49)]
    assert share(rows, "full", text=True) == 100
    assert met(rows)
    with_one = [*rows, row("refused", full="refused")]
    assert share(with_one, "full", text=True) == 98
    assert met(with_one)
    assert not met([*with_one, row("another", full="refused")])
    assert not met([*rows, row("crashed", lora="failed")])
    assert met(
        [
            *rows,
            *(row(f"v{i}", "image-text-to-text") for i in range(9)),
            row("v", "image-text-to-text", full="refused"),
        ]
    )


def of(model_type: str) -> Pair:
    """Its pair of pictures and text."""
    return next(p for p in all_pairs() if p.task == "image-text-to-text" and p.model_type == model_type)


@pytest.mark.parametrize("model_type", ["qwen3_vl_moe", "qwen3_5_moe"])
def test_their_towers_run_with_few_layers(model_type):
    found = examine_pair(of(model_type), layers=2)
    for answer in found.answers.values():
        assert answer.verdict == "answered"
        assert not answer.changed
        assert any("961 of its tokens" in said for said in answer.inputs)


def test_a_tower_whose_outputs_are_taken_from_named_layers_has_all_of_its_own():
    """VipLlava reads layers 6, -2, -5, -8 and -11 of its tower; 24 x 24 patches of 14 pixels stand for a picture."""
    found = examine_pair(of("vipllava"), layers=2)
    assert found.parameters == sum(anatomy_from(describe(of("vipllava"))).by_component.values())
    for answer in found.answers.values():
        assert any("576 of its tokens" in said for said in answer.inputs)


def test_a_model_that_cannot_be_built_counts_as_refused():
    refused = replace(row("none"), refused="it needs timm", answers={}, parameters=0)
    document = coverage_document([row("some"), refused], {"torch": "2"})
    assert "none: it needs timm" in render(document, "md")
    lines = list(csv.DictReader(render(document, "csv").splitlines()))
    assert [line["full"] for line in lines] == ["answered", "refused"]
    assert share([row("some"), refused], "full", text=True) == 50


def test_the_summary_adds_up():
    rows = [row("a"), row("b", "masked-lm", lora="refused"), row("c", "speech-seq2seq", full="failed")]
    page = render(coverage_document(rows, {}), "md")
    assert "| all | 3 | 3 | 3 | 2 | 0 | 1 | 2 | 1 | 0 |" in page


def test_answers_without_pictures_or_sound_are_counted_apart():
    """A tower that does not run is not rehearsed, however true the rest is."""
    without = Answer(verdict="answered", inputs=("planned with text alone: its processor needs torchvision",))
    rows = [row("a"), row("b", "speech-seq2seq"), row("c", "image-text-to-text"), row("d")]
    rows[2:] = [replace(one, answers=dict.fromkeys(METHODS, without)) for one in rows[2:]]
    page = render(coverage_document(rows, {}), "md")
    assert "Of the 4 answered for full, 2 take pictures or sound and were given text alone" in page
    assert "1 of them are not of text tasks" in page


def test_the_published_table_meets_its_goals():
    lines = published().values()
    pairs = {(pair.task, pair.model_type) for pair in all_pairs()}
    assert set(published()) == pairs
    assert not [line for line in lines for method in METHODS if line[method] == "failed"]


@pytest.fixture(scope="module")
def sampled(tmp_path_factory) -> tuple[Examined, ...]:
    return run_pairs(sample(all_pairs(), SAMPLE), tmp_path_factory.mktemp("rows"), jobs=2, layers=LAYERS)


def test_a_sample_is_answered_as_published(sampled):
    assert len(sampled) == SAMPLE
    table = published()
    for found in sampled:
        line = table[found.pair.task, found.pair.model_type]
        for method in METHODS:
            verdict = "refused" if found.refused else found.answers[method].verdict
            reason = found.refused or found.answers[method].reason
            assert verdict != "failed", f"{found.pair.name}, {method}: {reason}"
            if line[method] == "answered":  # what is refused may be in a layer further down
                assert verdict == "answered", f"{found.pair.name}, {method}: {reason}"
        assert len(found.unclassified) <= int(line["unclassified"])


def test_few_layers_leave_the_description_alone_but_for_its_depth():
    pair = Pair(task="causal-lm", model_type="llama", class_name="LlamaForCausalLM")
    whole, few = describe(pair).config, describe(pair, LAYERS).config
    assert {name for name in whole if whole[name] != few[name]} == {"num_hidden_layers"}
