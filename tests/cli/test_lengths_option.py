"""--lengths: the longest batch that a dataset makes, in every command that plans."""

import json

import pytest
from tiny_models import TINY_LLAMA


@pytest.fixture
def files(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(TINY_LLAMA))
    (tmp_path / "lengths.txt").write_text("12\n40\n7\n")
    return tmp_path / "config.json", tmp_path / "lengths.txt"


def test_plan_takes_the_longest_and_says_so(run, files):
    model, lengths = files
    code, out, _ = run("plan", model, "--batch-size", 2, "--lengths", lengths, "--json")
    data = json.loads(out)
    assert code == 0
    assert (data["recipe"]["seq_len"], data["recipe"]["padded"]) == (40, True)
    assert any(said.startswith("the batch is the longest of the 3 lengths") for said in data["assumptions"])


def test_the_printed_recipe_has_the_length(run, files):
    _, out, _ = run("plan", "--batch-size", 2, "--seq-len", 32, "--lengths", files[1], "--print-recipe")
    assert "seq_len = 32" in out
    assert "padded = true" in out


def test_compared_runs_have_the_same_batch(run, files):
    model, lengths = files
    flags = (
        "--methods",
        "lora,full",
        "--optimizers",
        "sgd",
        "--precisions",
        "bf16",
        "--lengths",
        lengths,
        "--json",
    )
    code, out, _ = run("compare", model, *flags)
    assert code == 0
    assert any(
        said.startswith("the batch is the longest of the 3 lengths")
        for said in json.loads(out)["assumptions"]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "holds no lengths"), ("many\n", "is no number of tokens"), (None, "cannot be read")],
)
def test_what_is_no_file_of_lengths_is_refused_in_a_sentence(run, files, text, said):
    model, lengths = files
    lengths.unlink() if text is None else lengths.write_text(text)
    code, out, err = run("plan", model, "--lengths", lengths)
    assert (code, out) == (2, "")
    assert said in err


def test_a_printed_recipe_is_toml_and_nothing_else(run):
    code, out, err = run("plan", "--print-recipe", "--json")
    assert (code, out) == (2, "")
    assert "--print-recipe writes TOML" in err
