"""`--plot` of every command that draws: the files, their numbers beside the answer's, and refusals before any work."""

import json
import struct
import xml.etree.ElementTree as ET

import pytest
from made_cells import cell_record, make_cell
from PIL import Image
from tiny_models import TINY_LLAMA

from anatomy import api
from anatomy.documents.charts import Accuracy
from anatomy.errors import AnatomyError
from anatomy.profiling.record import save
from anatomy.units import bytes_column, format_bytes, format_count


def texts(file):
    root = ET.fromstring(file.read_bytes())
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_plans_picture_has_the_plans_numbers(run, tiny_llama, tmp_path):
    file = tmp_path / "step.svg"
    code, out, err = run("plan", tiny_llama, "--seq-len", "16", "--gpu", "RTX 4090", "--json", "--plot", file)
    assert (code, err) == (0, "")
    answer = json.loads(out)
    found, peak = texts(file), answer["peak"]
    words = f"▼ peak {format_bytes(peak['allocated_bytes'])} {peak['in_words']}"
    assert any(text.startswith(words[:140]) for text in found)
    (fit,) = answer["fits"]
    assert any(
        f"RTX 4090: {format_bytes(fit['memory_bytes'] - fit['context_bytes'])}" in text for text in found
    )
    show = bytes_column([peak["allocated_bytes"]])
    legend = {f"{row['category']}  {show(row['bytes'])}" for row in answer["breakdown"]}
    assert legend | {f"allocated  {show(peak['allocated_bytes'])}"} <= {*found}


def test_an_answer_is_the_same_with_a_picture(run, tiny_llama, tmp_path):
    alone = run("show", tiny_llama)
    assert run("show", tiny_llama, "--plot", tmp_path / "a.pdf") == alone
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")


def test_a_comparisons_picture_has_its_rows(run, tiny_llama, tmp_path):
    file = tmp_path / "runs.svg"
    args = ("--methods", "lora,full", "--optimizers", "sgd,adamw_torch", "--precisions", "bf16")
    code, out, _ = run("compare", tiny_llama, *args, "--seq-len", "16", "--json", "--plot", file)
    assert code == 0
    rows = json.loads(out)["rows"]
    show = bytes_column([row["allocated_bytes"] for row in rows])
    expected = {f"{row['method']}, {row['optimizer']}" for row in rows}
    assert len(expected) == 4
    assert expected | {show(row["allocated_bytes"]) for row in rows} <= {*texts(file)}


@pytest.mark.parametrize("question", [(), ("--formats",)])
def test_a_models_picture_has_its_components(run, tiny_llama, tmp_path, question):
    file = tmp_path / "parameters.svg"
    code, _, _ = run("show", tiny_llama, *question, "--set", "num_hidden_layers=3", "--plot", file)
    assert code == 0
    model = api.show(str(tiny_llama), overrides={"num_hidden_layers": 3})
    found = texts(file)
    for name, count in model.by_component.items():
        assert any(text.startswith(f"{name}  {format_count(count)}, ") for text in found)
    assert any("num_hidden_layers=3" in text for text in found)


def test_a_validations_picture_has_its_cells(run, tmp_path):
    for name in ("one", "two"):
        cell = make_cell(name, config=TINY_LLAMA)
        save(cell_record(cell), tmp_path / f"{name}.run.json.xz")
    file = tmp_path / "accuracy.png"
    code, out, _ = run("validate", "--from", tmp_path, "--json", "--plot", file)
    assert code == 0
    assert struct.unpack(">II", file.read_bytes()[16:24]) == (1650, 810)
    scored = [cell for cell in json.loads(out)["cells"] if not cell["not_scored"]]
    said = Image.open(file).text["Description"]
    assert said.startswith(f"Predicted against measured, {len(scored)} figures: ")
    assert said.endswith(f"; {2 - len(scored)} have no number." if len(scored) < 2 else "5 %.")


@pytest.mark.parametrize(
    "command", [("plan", "MODEL"), ("compare", "MODEL"), ("show", "MODEL"), ("validate", "--from", "FOLDER"), ("profile", "MODEL")], ids=lambda c: c[0]
)  # fmt: skip
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.jpg", "ends in .jpg, and a picture is a .png, an .svg or a .pdf file."),
        ("a", "has no ending, and a picture is a .png, an .svg or a .pdf file."),
        ("nowhere/a.png", "cannot be written: there is no folder"),
    ],
)
def test_bad_files_are_refused_in_a_sentence_before_any_work(
    run, monkeypatch, tiny_llama, tmp_path, command, name, said
):
    for verb in ("plan", "compare", "show", "validate_records", "profile"):
        monkeypatch.setattr(api, verb, lambda *_, **__: pytest.fail("work was done"))
    places = {"MODEL": tiny_llama, "FOLDER": tmp_path}
    code, out, err = run(*(places.get(arg, arg) for arg in command), "--plot", tmp_path / name)
    assert (code, out) == (2, "")
    assert f"error: {tmp_path / name} {said}" in err
    assert err.count("error:") == 1
    assert not (tmp_path / name).exists()


def test_one_file_cannot_be_two(run, tiny_llama, tmp_path):
    file = tmp_path / "a.svg"
    code, _, err = run("plan", tiny_llama, "-o", file, "--plot", file)
    assert code == 2
    assert "-o and --plot both name" in err


def test_two_models_are_no_picture(run, tiny_llama, tmp_path):
    code, _, err = run("show", tiny_llama, tiny_llama, "--diff", "--plot", tmp_path / "a.png")
    assert code == 2
    assert "--plot draws one model" in err


def test_without_matplotlib_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr("anatomy.api.pictured.find_spec", lambda _: None)
    with pytest.raises(AnatomyError, match="matplotlib, which is not installed"):
        api.check_plot("a.png")


def test_any_chart_is_drawn(tmp_path):
    api.plot(Accuracy(title="none", points=()), str(tmp_path / "a.png"))
    assert (tmp_path / "a.png").stat().st_size > 500
    with pytest.raises(AnatomyError, match="cannot be written"):
        api.plot(Accuracy(title="none", points=()), str(tmp_path / "nowhere" / "a.png"))


@pytest.mark.parametrize(
    ("columns", "terminal", "args", "drawn"),
    [
        ("120", True, (), True),
        ("109", True, (), False),
        ("120", False, (), False),
        ("120", True, ("--format", "md"), False),
    ],
)
def test_plan_draws_in_wide_terminals_alone(run, monkeypatch, tiny_llama, columns, terminal, args, drawn):
    monkeypatch.setattr("anatomy.cli.streams.is_terminal", lambda _: terminal)
    monkeypatch.setattr("anatomy.cli.output.is_terminal", lambda _: terminal)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    code, out, _ = run("plan", tiny_llama, "--seq-len", "16", "--no-progress", *args)
    assert code == 0
    assert ("Allocated in step 2" in out, "▼" in out) == (drawn, drawn)
    assert "Allocated at the peak" in out
