"""`anatomy report`: files that are whole, sections, and what cannot be asked together."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_cells import made_validation
from made_records import make_record
from pages import Page

from anatomy.cli.report import repeated
from anatomy.profiling.record import save

LORA = ("--method", "lora", "--seq-len", "64", "--no-progress")


@pytest.fixture
def saved_run(tmp_path: Path) -> Path:
    file = tmp_path / "run.json.xz"
    save(make_record("cuda"), file)
    return file


def test_markdown_with_pictures_beside_it(run, tiny_llama, tmp_path):
    file = tmp_path / "deep" / "tiny report.md"
    file.parent.mkdir()
    code, out, _ = run("report", tiny_llama, *LORA, "-o", file)
    assert (code, out) == (0, "")
    text = file.read_text()
    pictures = re.findall(r"^!\[.+\]\(<(.+)>\)$", text, flags=re.MULTILINE)
    assert pictures == ["tiny report-parameters.svg", "tiny report-timeline.svg"]
    for name in pictures:
        ElementTree.fromstring((file.parent / name).read_bytes())
    assert sorted(path.name for path in file.parent.iterdir()) == sorted([file.name, *pictures])
    assert "```mermaid\nflowchart TB" in text
    assert str(tmp_path) in text.partition("## The same again")[2]


def test_one_page(run, tiny_llama, tmp_path):
    file = tmp_path / "tiny.html"
    assert run("report", tiny_llama, *LORA, "-o", file)[0] == 0
    assert Page(file.read_text()).all("main")
    assert list(tmp_path.glob("tiny-*")) == []


def test_its_numbers_are_those_of_plan_and_show(run, tiny_llama):
    code, out, _ = run("report", tiny_llama, *LORA, "--json")
    found = json.loads(out)
    assert code == 0
    plan = json.loads(run("plan", tiny_llama, *LORA, "--by-module", "--json")[1])
    assert found["plan"] == plan
    show = json.loads(run("show", tiny_llama, "--build", "--no-progress", "--json")[1])
    assert found["anatomy"] == show


def test_the_command_in_it_gives_the_same_plan(run, tiny_llama):
    found = json.loads(run("report", tiny_llama, *LORA, "--r", "4", "--json")[1])
    import shlex

    typed = shlex.split(found["command"])
    assert typed[:2] == ["anatomy", "plan"]
    again = json.loads(run(*typed[1:], "--by-module", "--json", "--no-progress")[1])
    assert again == found["plan"]


def test_sections_are_chosen_and_ordered(run, tiny_llama):
    code, out, _ = run("report", tiny_llama, *LORA, "--sections", "phases,answer", "--format", "md")
    assert code == 0
    assert re.findall("^## (.+)$", out, flags=re.MULTILINE) == ["Phase by phase", "The answer"]


def test_unknown_sections_are_refused_with_the_list(run, tiny_llama):
    code, out, err = run("report", tiny_llama, *LORA, "--sections", "answer,gpu")
    assert (code, out) == (2, "")
    assert "There is no section 'gpu'." in err
    assert "answer, anatomy, layer, parameters" in err


def test_a_saved_run(run, saved_run, tmp_path):
    code, out, _ = run("report", saved_run, "--format", "md")
    assert code == 0
    assert "## Memory through the run, measured" in out
    assert f"anatomy report {saved_run.name}" in out
    code, out, _ = run("report", saved_run, "--sections", "predicted", "--json")
    assert (code, json.loads(out)["kind"]) == (0, "run")


def test_a_comparison(run, tiny_llama, tmp_path):
    file = tmp_path / "methods.html"
    typed = ("--compare", "--methods", "lora,full", "--optimizers", "sgd", "--precisions", "bf16")
    assert run("report", tiny_llama, *typed, "--seq-len", "64", "--no-progress", "-o", file)[0] == 0
    page = Page(file.read_text())
    table = page.named("In use at the peak of each run")
    assert sorted(table.texts("run")) == ["full", "lora"]
    for row in table.rows:
        assert sum(row.values[5:]) == row.values[2]
    assert "--methods lora,full" in "".join(page.text)
    assert str(file) not in "".join(page.text)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("RUN", "--r", "4"), "What was run cannot be chosen any more: --r."),
        (("RUN", "--compare"), "What was run cannot be chosen any more: --compare."),
        (("MODEL", "--methods", "lora"), "--methods needs --compare."),
        (("MODEL", "--validation", "x"), "--validation names what to report on: leave MODEL out."),
        ((), "Which model? MODEL is missing."),
    ],
)
def test_what_cannot_be_asked(run, saved_run, tiny_llama, args, message):
    named = {"RUN": saved_run, "MODEL": tiny_llama}
    code, out, err = run("report", *(named.get(arg, arg) for arg in args), "--no-progress")
    assert (code, out) == (2, "")
    assert message in err


def test_what_is_not_typed_again():
    typed = ["m", "--token", "secret", "--token=secret", "-o", "f", "-of.html", "--output=f", "--r", "4", "--optimizer", "sgd"]  # fmt: skip
    assert list(repeated(typed)) == ["m", "--r", "4", "--optimizer", "sgd"]


def test_a_folder_of_records(run, monkeypatch, tmp_path):
    """What is done with the records is tested with `anatomy validate`; here, that its answer is reported."""
    from anatomy.api import validated

    asked = []
    monkeypatch.setattr(
        validated, "validate_records", lambda folder: asked.append(folder) or made_validation()
    )
    file = tmp_path / "accuracy.html"
    code, _, err = run("report", "--validation", "some/records", "-o", file, "--no-progress")
    assert (code, err, asked) == (0, "", ["some/records"])
    page = Page(file.read_text())
    assert "anatomy report --validation some/records --no-progress" in "".join(page.text)
    assert page.named("Accuracy").rows
