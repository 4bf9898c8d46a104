"""The commands as a person or a script runs them: stdout, stderr and the exit code."""

import csv
import io
import json
import re
import tomllib
from importlib import import_module
from textwrap import dedent

import pytest
from tiny_models import TINY_LLAMA_PARAMETERS

from anatomy import api
from anatomy.errors import RehearsalError
from anatomy.training.recipe import Recipe

SHOW = """\
Components
component        parameters    share        fp32        bf16        int8        nf4
embedding            16,384  15.34 %   64.00 KiB   32.00 KiB   16.00 KiB   8.25 KiB
attention.query       8,192   7.67 %   32.00 KiB   16.00 KiB    8.00 KiB   4.13 KiB
attention.key         4,096   3.83 %   16.00 KiB    8.00 KiB    4.00 KiB   2.07 KiB
attention.value       4,096   3.83 %   16.00 KiB    8.00 KiB    4.00 KiB   2.07 KiB
attention.output      8,192   7.67 %   32.00 KiB   16.00 KiB    8.00 KiB   4.13 KiB
ffn.gate             16,384  15.34 %   64.00 KiB   32.00 KiB   16.00 KiB   8.25 KiB
ffn.up               16,384  15.34 %   64.00 KiB   32.00 KiB   16.00 KiB   8.25 KiB
ffn.down             16,384  15.34 %   64.00 KiB   32.00 KiB   16.00 KiB   8.25 KiB
norm                    320   0.30 %    1.25 KiB    0.62 KiB   0.31 KiB   0.17 KiB
head                 16,384  15.34 %   64.00 KiB   32.00 KiB   16.00 KiB   8.25 KiB
total               106,816 100.00 %  417.25 KiB  208.62 KiB  104.31 KiB  53.83 KiB
"""


def test_show(run, tiny_llama):
    code, out, err = run("show", tiny_llama)
    assert (code, err) == (0, "")
    shown = [re.sub(r" +", " ", line) for line in out.splitlines()]
    for line in dedent(SHOW).splitlines():
        assert re.sub(r" +", " ", line) in shown
    assert "│  ├─ layers.0-1 × 2" in out


@pytest.mark.parametrize("format_", ["table", "csv", "md", "json"])
def test_show_adds_up_in_every_format(run, tiny_llama, format_):
    _, out, _ = run("show", tiny_llama, "--format", format_)
    if format_ == "json":
        counts = json.loads(out)["parameters"]
        assert sum(counts["by_component"].values()) == counts["total"] == TINY_LLAMA_PARAMETERS
        return
    if format_ == "csv":
        rows = {row["component"]: int(row["parameters"]) for row in csv.DictReader(io.StringIO(out))}
    else:
        section = out.split("Components")[1].split("Modules")[0]
        found = re.findall(r"^\W*([a-z.]+)[ |]+([\d,]+) ", section, re.MULTILINE)
        rows = {name: int(count.replace(",", "")) for name, count in found}
    total = rows.pop("total")
    assert len(rows) == 10
    assert sum(rows.values()) == total == TINY_LLAMA_PARAMETERS


def test_plan_in_every_format_from_one_rehearsal(run, tiny_llama, monkeypatch):
    """The formats say the same: they come from one plan."""
    plan = api.plan(str(tiny_llama), seq_len=16)
    monkeypatch.setattr(api, "plan", lambda *args, **kwargs: plan)
    peak = plan.footprint.peak_allocated_bytes

    _, out, _ = run("plan", tiny_llama, "--json")
    assert json.loads(out) == plan.to_dict()
    assert sum(part["bytes"] for part in json.loads(out)["breakdown"]) == peak

    _, out, _ = run("plan", tiny_llama, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert sum(int(row["bytes"]) for row in rows if row["section"] == "breakdown") == peak
    assert [row["name"] for row in rows if row["section"] == "fits"] == [fit.gpu for fit in plan.fits]

    _, markdown, _ = run("plan", tiny_llama, "--format", "md")
    for fit in plan.fits:
        assert f"| {fit.gpu} |" in markdown

    _, table, _ = run("plan", tiny_llama)
    for words in ("peak allocated", "peak reserved", "on the device", f"The peak is {plan.peak_words}."):
        assert words in table.replace("\n", " ")
    assert "with --format md, csv or json" in table


def test_plan_is_quiet_and_check_is_the_exit_code(run, tiny_llama):
    code, out, err = run("plan", tiny_llama, "--seq-len", "16", "--gpu", "RTX 4090", "--check")
    assert (code, err) == (0, "")
    assert "Fits on RTX 4090" in out
    code, out, err = run(
        *("plan", tiny_llama, "--gpu", "T4", "--check", "--seq-len", "16", "--method", "full"),
        *("--set", "hidden_size=16384", "--set", "intermediate_size=65536", "--set", "num_hidden_layers=3"),
    )
    assert (code, err) == (1, "")
    assert "Does not fit on Tesla T4" in out
    assert "while the model is loaded" in out


def test_without_check_a_large_model_is_no_failure(run, tiny_llama, made_plan, monkeypatch):
    from dataclasses import replace

    small = replace(made_plan, fits=made_plan.fits[:1])
    monkeypatch.setattr(api, "plan", lambda *args, **kwargs: small)
    assert run("plan", tiny_llama, "--gpu", "T4")[0] == 0
    assert run("plan", tiny_llama, "--gpu", "T4", "--check")[0] == 1


def test_flags_reach_the_recipe(run, tiny_llama, made_plan, monkeypatch):
    asked = {}
    monkeypatch.setattr(api, "plan", lambda model, **kwargs: asked.update(kwargs, model=model) or made_plan)
    code, _, _ = run(
        *("plan", tiny_llama, "--method", "qlora", "--r", "64", "--alpha", "16", "--dropout", "0.1"),
        *(
            "--target-modules",
            "q_proj, v_proj",
            "--quant-type",
            "fp4",
            "--no-double-quant",
            "--kbit-prepare",
            "peft",
        ),
        *("--optimizer", "paged_adamw_8bit", "--precision", "fp16-mixed", "--batch-size", "4"),
        *("--seq-len", "512", "--grad-accum", "2", "--reentrant", "--attn", "eager", "--max-grad-norm", "0"),
        *("--set", "num_hidden_layers=4", "--gpu", "T4", "--trust-remote-code"),
    )
    assert code == 0
    assert "kbit_prepare" in asked["chosen"]
    assert "load_dtype" not in asked["chosen"]
    assert asked["recipe"] == Recipe(
        method="qlora",
        r=64,
        alpha=16,
        dropout=0.1,
        target_modules=("q_proj", "v_proj"),
        quant_type="fp4",
        double_quant=False,
        kbit_prepare="peft",
        optimizer="paged_adamw_8bit",
        precision="fp16-mixed",
        batch_size=4,
        seq_len=512,
        grad_accum=2,
        gradient_checkpointing="reentrant",
        attn="eager",
        max_grad_norm=0.0,
    )
    assert asked["overrides"] == {"num_hidden_layers": 4}
    assert (asked["gpu"], asked["trust_remote_code"], asked["model"]) == ("T4", True, str(tiny_llama))


@pytest.mark.parametrize(
    ("flags", "setting", "value"),
    [
        (["--no-gradient-checkpointing"], "gradient_checkpointing", "off"),
        (["--gradient-checkpointing"], "gradient_checkpointing", "non-reentrant"),
        (["--non-reentrant"], "gradient_checkpointing", "non-reentrant"),
        (["--target-modules", "all-linear"], "target_modules", "all-linear"),
        (["--target-regex", r".*\.q_proj"], "target_modules", r".*\.q_proj"),
        (["--target-modules", "q_proj"], "target_modules", ["q_proj"]),
    ],
)
def test_print_recipe(run, flags, setting, value):
    code, out, _ = run("plan", *flags, "--print-recipe")
    assert code == 0
    assert tomllib.loads(out)[setting] == value


def test_recipe_file_and_flags(run, tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text('method = "qlora"\nr = 8\ngradient_checkpointing = "reentrant"\n')
    _, out, _ = run("plan", "--recipe", file, "--r", "64", "--gradient-checkpointing", "--print-recipe")
    found = tomllib.loads(out)
    assert (found["method"], found["r"], found["gradient_checkpointing"]) == ("qlora", 64, "reentrant")
    file.write_text(out)
    assert run("plan", "--recipe", file, "--print-recipe")[1] == out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["plna"], "Did you mean plan?"),
        (["plan"], "MODEL is missing"),
        (["plan", "MODEL", "--check"], "--check needs --gpu NAME"),
        (["plan", "MODEL", "--method", "lorra"], "'lorra' is not one of"),
        (["plan", "MODEL", "--method", "full", "--r", "8"], "r means nothing for method 'full'"),
        (["plan", "MODEL", "--quant-type", "fp4"], "quant_type means nothing for method 'lora'"),
        (["plan", "MODEL", "--r", "0"], "r is 0, but must be at least 1"),
        (["plan", "MODEL", "--r", "100000"], "r is 100,000, but must be at most 65,536"),
        (["plan", "MODEL", "--alpha", "0"], "alpha is 0, but must be at least 1"),
        (["plan", "MODEL", "--batch-size", "0"], "batch_size is 0"),
        (["plan", "MODEL", "--seq-len", "0"], "seq_len is 0"),
        (["plan", "MODEL", "--seq-len", "3000000000"], "more than the 2,147,483,648 tokens"),
        (["plan", "MODEL", "--grad-accum", "0"], "grad_accum is 0"),
        (["plan", "MODEL", "--dropout", "2"], "dropout is 2.0, but must be at least 0 and below 1"),
        (["plan", "MODEL", "--max-grad-norm", "-1"], "max_grad_norm is -1.0"),
        (["plan", "MODEL", "--target-regex", "["], "--target-regex '[' is not a regular expression"),
        (["plan", "MODEL", "--recipe", "/"], "cannot be read: Is a directory"),
        (["plan", "MODEL", "--optimizer", "adam"], "did you mean adamw_torch, adamw_torch_fused"),
        (["plan", "MODEL", "--gpu", "RTX 9999"], "did you mean: RTX"),
        (["plan", "MODEL", "--gpu", "4090x"], "not a GPU of the catalog"),
        (["plan", "MODEL", "--target-modules", "a", "--target-regex", "b"], "contradict"),
        (["plan", "MODEL", "--no-gradient-checkpointing", "--reentrant"], "no checkpoint"),
        (["plan", "MODEL", "--recipe", "/missing.toml"], "cannot be read"),
        (["plan", "MODEL", "--seq-len", "16", "--optimizer", "adamw_torhc"], "not an optimizer"),
        (["plan", "MODEL", "--seq-len", "16", "--target-modules", "query"], "matches nothing"),
        (["show", "MODEL", "--set", "hidden_size"], "does not set a fact"),
        (["show", "MODEL", "--set", "hidden_size=1000000000000"], "which no model has"),
        (["show", "MODEL/missing"], "no file or folder"),
        (["gpus", "--json", "--format", "csv"], "contradict"),
        (["gpus", "--format", "xml"], "'xml' is not one of"),
        (["gpus", "-o", "/missing/folder/file"], "cannot be written"),
    ],
)
def test_errors_are_a_sentence_a_hint_and_2(run, tiny_llama, args, said):
    code, out, err = run(*(arg.replace("MODEL", str(tiny_llama)) for arg in args))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert said in err
    assert "Traceback" not in err
    first, *rest = err.rstrip("\n").split("\n")
    assert first.endswith((".", "?", "!", "plan?"))
    if (
        "--target-modules" not in args
        and "--format" not in args
        and "--no-gradient-checkpointing" not in args
    ):
        assert rest[0] == ""
        assert rest[1].startswith("hint: ")


def test_a_stray_exception_is_a_sentence(run, tiny_llama, monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("division by zero\nmore")

    monkeypatch.setattr(api, "show", broken)
    code, out, err = run("show", tiny_llama)
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == (
        "error: this is a bug in anatomy or its libraries: ZeroDivisionError: division by zero"
    )
    assert "ANATOMY_DEBUG=1" in err
    monkeypatch.setenv("ANATOMY_DEBUG", "1")
    assert "Traceback" in run("show", tiny_llama)[2]


def test_interrupted(run, tiny_llama, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "show", interrupted)
    assert run("show", tiny_llama) == (130, "", "\ninterrupted\n")


def test_an_error_without_a_hint_has_none(run, tiny_llama, monkeypatch):
    def refuse(*args, **kwargs):
        raise RehearsalError("It cannot be known.")

    monkeypatch.setattr(api, "plan", refuse)
    assert run("plan", tiny_llama) == (2, "", "error: It cannot be known.\n")


@pytest.mark.parametrize("format_", ["table", "json", "csv", "md"])
def test_a_file_gets_what_stdout_gets(run, tmp_path, format_):
    file = tmp_path / "answer"
    _, out, _ = run("gpus", "--format", format_)
    code, nothing, _ = run("gpus", "--format", format_, "-o", file)
    assert (code, nothing) == (0, "")
    assert file.read_bytes() == out.encode()


def test_colors_are_asked_for(run, monkeypatch):
    plain = run("gpus")[1]
    assert "\x1b[" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run("gpus")[1]
    assert "\x1b[" in run("plna")[2]
    monkeypatch.setenv("NO_COLOR", "1")
    assert run("gpus")[1] == plain
    assert "\x1b[" not in run("plna")[2]
    monkeypatch.setenv("NO_COLOR", "")  # empty is unset
    assert "\x1b[" in run("gpus")[1]


def test_catalogs_in_json(run):
    found = json.loads(run("gpus", "--json")[1])["gpus"]
    assert {gpu.name for gpu in api.gpus()} == {gpu["gpu"] for gpu in found}
    found = json.loads(run("models", "--json")[1])["models"]
    assert next(m for m in found if m["id"] == "meta-llama/Llama-3.1-8B")["parameters"] == 8_030_261_248


@pytest.mark.parametrize("command", ["show", "plan", "models", "gpus", "env"])
def test_help_starts_with_an_example(run, command):
    code, out, _ = run(command, "-h")
    assert code == 0
    usage, empty, example, *_ = out.splitlines()
    assert usage.startswith("Usage: anatomy")
    assert empty == ""
    assert example.startswith(f"    anatomy {command}")


def test_help_states_the_recipes_defaults(run):
    help_text = re.sub(r"\s+", " ", run("plan", "--help")[1]).replace("- ", "-")
    for name in ("method", "r", "optimizer", "precision", "seq_len", "attn", "gradient_checkpointing"):
        assert f"[default: {getattr(Recipe(), name)}]" in help_text


def test_version(run):
    assert re.fullmatch(r"anatomy \d+\.\d+\.\d+\n", run("--version")[1])
    assert run("-V") == run("--version")


def test_the_recipe_printed_says_its_alpha(run):
    assert tomllib.loads(run("plan", "--r", "64", "--print-recipe")[1])["alpha"] == 128


def test_what_a_recipe_file_says_is_chosen(run, tiny_llama, tmp_path, made_plan, monkeypatch):
    asked = {}
    monkeypatch.setattr(api, "plan", lambda model, **kwargs: asked.update(kwargs) or made_plan)
    file = tmp_path / "recipe.toml"
    file.write_text("seq_len = 2048\n")
    assert run("plan", tiny_llama, "--recipe", file, "--gradient-checkpointing")[0] == 0
    assert asked["chosen"] == {"seq_len", "gradient_checkpointing"}
    assert run("plan", tiny_llama)[0] == 0
    assert asked["chosen"] == frozenset()


@pytest.mark.parametrize("format_", ["json", "csv", "md"])
def test_the_ending_of_the_file_chooses_the_format(run, tmp_path, format_):
    file = tmp_path / f"answer.{format_.upper()}"
    run("gpus", "-o", file)
    assert file.read_text() == run("gpus", "--format", format_)[1]
    run("gpus", "-o", file, "--format", "table")
    assert file.read_text() == run("gpus")[1]


def test_a_failure_leaves_the_old_answer(run, tmp_path, tiny_llama):
    file = tmp_path / "answer.json"
    file.write_text("old")
    assert run("show", tiny_llama / "missing", "-o", file)[0] == 2
    assert file.read_text() == "old"
    assert run("plan", tiny_llama, "-o", tmp_path)[2].startswith(
        f"error: {tmp_path} cannot be written: it is a"
    )


def test_show_says_what_was_set(run, tiny_llama):
    _, out, _ = run("show", tiny_llama, "--set", "num_hidden_layers=3")
    title = out.partition("\n\n")[0]  # wrapped where the path is long
    assert " ".join(title.split()).endswith("with num_hidden_layers=3")
    _, out, _ = run("show", tiny_llama, "--set", "num_hidden_layers=3", "--json")
    assert json.loads(out)["model"]["overrides"] == {"num_hidden_layers": 3}


@pytest.mark.parametrize("command", ["plan", "compare", "profile"])
def test_every_option_of_a_run_stands_under_a_heading_once(run, command):
    _, out, _ = run(command, "--help")
    headings = re.findall(r"^(\S.*):$", out, re.MULTILINE)
    flags = re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", out, re.MULTILINE)
    assert "Options" not in headings
    assert len(headings) == len({*headings}) >= 10
    assert len(flags) == len({*flags})
    params = import_module(f"anatomy.cli.{command}").command.params
    options = {opt for param in params if param.param_type_name == "option" for opt in param.opts[-1:]}
    assert {*flags} == {"--help", *options}
