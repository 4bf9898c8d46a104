"""`anatomy compare` as a person or a script runs it."""

import csv
import io
import json

import pytest

from anatomy import api

FEW = (
    "--optimizers",
    "sgd,adamw_torch_xla",
    "--precisions",
    "bf16",
    "--seq-len",
    "16",
    "--set",
    "num_hidden_layers=1",
)


def test_every_format_has_every_row(run, tiny_llama, monkeypatch):
    code, out, err = run("compare", tiny_llama, "--methods", "full, lora", *FEW, "--json")
    assert (code, err) == (0, "")
    answered = json.loads(out)
    rows = answered["rows"]
    assert [(row["method"], row["optimizer"]) for row in rows] == [
        *(("full", "sgd"), ("lora", "sgd"), ("full", "adamw_torch_xla"), ("lora", "adamw_torch_xla"))
    ]
    assert answered["recipe"]["seq_len"] == 16
    assert answered["rehearsals"] == {"runs": 2, "optimizers": 2, "whole": 0}
    assert "XLA" in rows[-1]["reason"]
    assert rows[-1]["allocated_bytes"] is None
    assert rows[0]["verdict"] == "fits"

    done = api.compare(str(tiny_llama), methods=("full", "lora"), optimizers=("sgd", "adamw_torch_xla"),
                       precisions=("bf16",), seq_len=16, overrides={"num_hidden_layers": 1})  # fmt: skip
    monkeypatch.setattr(api, "compare", lambda *args, **kwargs: done)
    _, out, _ = run("compare", tiny_llama, "--format", "csv")
    in_csv = list(csv.DictReader(io.StringIO(out)))
    assert in_csv == [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    _, table, _ = run("compare", tiny_llama)
    _, markdown, _ = run("compare", tiny_llama, "--format", "md")
    for row in rows:
        for text in (table, markdown):
            assert any(row["method"] in line and row["optimizer"] in line for line in text.splitlines())


def test_the_recipes_options_are_the_same_in_all_runs(run, tiny_llama):
    code, out, _ = run(
        *("compare", tiny_llama, "--methods", "lora,full", "--r", "4"),
        *(
            "--optimizer",
            "sgd",
            "--precisions",
            "bf16",
            "--checkpointing",
            "on,off",
            "--seq-len",
            "16",
            "--json",
        ),
    )
    rows = json.loads(out)["rows"]
    assert code == 0
    assert {row["trainable_parameters"] for row in rows if row["method"] == "lora"} == {
        4 * (64 + 64) * 2 * 2 + 4 * (64 + 32) * 2 * 2 + 4 * (64 + 128) * 3 * 2
    }
    assert {(row["method"], row["gradient_checkpointing"]) for row in rows} == {
        (method, kind) for method in ("lora", "full") for kind in ("non-reentrant", "off")
    }


def test_check_is_about_any_of_the_runs(run, tiny_llama):
    ask = ("compare", tiny_llama, "--methods", "full", *FEW, "--check")
    assert run(*ask, "--gpu", "RTX 4090")[0] == 0
    code, out, err = run(*ask, "--gpu", "RTX 4090", "--set", "vocab_size=90000000", "--json")
    assert (code, err) == (1, "")
    assert {row["verdict"] for row in json.loads(out)["rows"]} == {"does not fit", "refused"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--methods", "lorra"), "lorra"),
        (("--optimizers", "adamw"), "did you mean"),
        (("--methods", ","), "no value"),
        (("--methods", "full", "--r", "4"), "means nothing"),
        (("--method", "lora", "--methods", "full"), "once for all runs"),
        (("--check",), "--check needs --gpu"),
        (("-o", "/missing/folder/x.csv"), "cannot be written"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(run, tiny_llama, args, words):
    code, out, err = run("compare", tiny_llama, *args)
    assert (code, out) == (2, "")
    assert words in err


def test_a_model_has_to_be_named(run):
    code, _, err = run("compare")
    assert code == 2
    assert "MODEL is missing" in err
