"""What a verb returns is what the command prints, in every form, to the byte."""

import csv
import io
import json

import pytest
from made_cells import cell_record, make_cell
from made_records import make_record
from tiny_models import TINY_LLAMA

import anatomy
from anatomy.render import render

AXES = ("--methods", "lora", "--optimizers", "sgd,adamw_torch", "--precisions", "bf16")
FEW = {"methods": ("lora",), "optimizers": ("sgd", "adamw_torch"), "precisions": ("bf16",), "seq_len": 16}
ANSWERS = {
    "show": (("show", "MODEL"), lambda model: anatomy.show(model)),
    "set": (
        ("show", "MODEL", "--set", "num_hidden_layers=1", "--set", "rope_scaling=null"),
        lambda model: anatomy.show(model, overrides={"num_hidden_layers": 1, "rope_scaling": None}),
    ),
    "formats": (
        ("show", "MODEL", "--formats", "--kv-cache", "--batch", "2"),
        lambda model: anatomy.examine(model, formats=True, kv_cache=True, batch=2),
    ),
    "entries": (("show", "MODEL", "--filter", "*mlp*"), lambda model: anatomy.examine(model, filter="*mlp*")),
    "diff": (("show", "MODEL", "MODEL", "--diff"), lambda model: anatomy.diff(model, model)),
    "plan": (
        ("plan", "MODEL", "--method", "full", "--seq-len", "16", "--gpu", "T4"),
        lambda model: anatomy.plan(model, method="full", seq_len=16, gpu="T4"),
    ),
    "compare": (
        ("compare", "MODEL", *AXES, "--seq-len", "16"),
        lambda model: anatomy.compare(model, **FEW),
    ),
    "env": (("env",), lambda model: anatomy.env()),
}  # fmt: skip


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("name", ANSWERS)
def test_json_is_to_dict_and_markdown_is_to_markdown(name, run, tiny_llama):
    args, verb = ANSWERS[name]
    given = [tiny_llama if arg == "MODEL" else arg for arg in args]
    result = verb(str(tiny_llama))
    code, out, err = run(*given, "--json")
    assert (code, err) == (0, "")
    assert json.dumps(result.to_dict(), indent=2) + "\n" == out
    code, out, _ = run(*given, "--format", "md")
    assert (code, out) == (0, result.to_markdown())


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_a_measured_run(kind, run, tmp_path):
    record = make_record(kind)
    file = tmp_path / "run.json.xz"
    anatomy.save_run(record, file)
    assert anatomy.open_run(file) == record
    for form, text in (
        ("json", json.dumps(record.to_dict(), indent=2) + "\n"),
        ("md", record.to_markdown()),
        ("html", record.to_html()),
    ):
        _, out, _ = run("profile", "--open", file, "--format", form)
        assert out == text


def test_a_grid_that_is_predicted_again(run, tmp_path):
    cell = make_cell("one", config=TINY_LLAMA)
    anatomy.save_run(cell_record(cell), tmp_path / "one.run.json.xz")
    found = anatomy.validate_records(tmp_path)
    _, out, _ = run("validate", "--from", tmp_path, "--json")
    assert json.loads(out)["cells"][0]["figures"] == found.to_dict()["cells"][0]["figures"]
    assert out == json.dumps(found.to_dict(), indent=2) + "\n"


def test_a_frame_has_the_rows_of_csv(run, tiny_llama):
    """All but the total, which csv has as its last row."""
    frame = anatomy.show(str(tiny_llama)).to_frame()
    _, out, _ = run("show", tiny_llama, "--format", "csv")
    *rows, total = rows_of(out)
    assert [*frame.columns] == [*rows[0]]
    assert [*map(str, frame["parameters"])] == [row["parameters"] for row in rows]
    assert str(frame["parameters"].sum()) == total["parameters"]


@pytest.mark.parametrize("form", ["md", "html", "json", "csv"])
def test_a_file_has_what_the_command_prints(form, run, tmp_path):
    record = make_record("cuda")
    assert record.write(tmp_path / f"a.{form}") == (tmp_path / f"a.{form}",)
    written = (tmp_path / f"a.{form}").read_text(encoding="utf-8")
    assert written == render(anatomy.api.presented.document_of(record), form)
    anatomy.save_run(record, tmp_path / "run.json")
    _, out, _ = run("profile", "--open", tmp_path / "run.json", "--format", form)
    assert written == out


def test_a_report_is_the_commands(run, tiny_llama, tmp_path):
    args = ("report", tiny_llama, "--method", "lora", "--seq-len", "16", "-o")
    report = anatomy.report(str(tiny_llama), method="lora", seq_len=16)
    for form in ("html", "md"):
        run(*args, tmp_path / f"typed.{form}")
        report.write(tmp_path / f"written.{form}")
        typed, written = (
            (tmp_path / f"{name}.{form}").read_text(encoding="utf-8") for name in ("typed", "written")
        )
        assert written == typed.replace("typed", "written")
    pictures = {path.name.removeprefix("written") for path in tmp_path.glob("written*.svg")}
    assert pictures == {path.name.removeprefix("typed") for path in tmp_path.glob("typed*.svg")}
    assert pictures
    assert report.to_html() == (tmp_path / "written.html").read_text(encoding="utf-8")


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(anatomy.AnatomyError, match=r"a\.docx is no \.md, \.html, \.json, \.csv file"):
        make_record().write(tmp_path / "a.docx")
