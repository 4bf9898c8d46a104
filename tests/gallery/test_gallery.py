"""The checked-in reports are what the code writes today, with the versions that constraints.txt pins.

Models whose runs are rehearsed within a few seconds are written anew in every run of the tests, the others in the slow ones.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from anatomy import api
from anatomy.errors import SourceError
from anatomy.gallery.accuracy import TITLES, draw_published
from anatomy.gallery.exhibits import Exhibit, exhibits
from anatomy.gallery.index import INTRODUCTION, NOWHERE, comparison_line, run_cells
from anatomy.gallery.make import make, released
from anatomy.source import catalog
from anatomy.versions import installed

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "reports"
MODELS = REPORTS / "models"
INDEX = (REPORTS / "README.md").read_text(encoding="utf-8")
QUICK = {"gpt2", "bert-base-uncased", "whisper-small", "gpt-oss-20b"}
"""Models that are written anew in every run: a decoder, an encoder, one with both, and one with experts."""
LINK = re.compile(r"\[([^\]]+)\]\(<?([^)>]+)>?\)")
FORBIDDEN = re.compile(
    r"20\d\d-\d\d|\d\d:\d\d:\d\d|(?<![\w.])/(?:home|root|tmp|usr|opt|var|Users|mnt)/|[A-Z]:\\|\+cpu|\+cu\d"
)
"""Dates, times, folders and builds: what another machine, or another day, would write differently."""
PINNED = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line and line[0] != "#"
)  # fmt: skip


def is_pinned() -> bool:
    return all(PINNED[name] == version for name, version in released(installed()).items())


def empty_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The catalog is asked, whatever this machine holds."""
    from huggingface_hub import constants

    for name in ("HF_HUB_CACHE", "HF_ASSETS_CACHE"):
        monkeypatch.setattr(constants, name, str(folder / "no-cache"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "exhibit",
    [pytest.param(one, id=one.folder, marks=() if one.folder in QUICK else pytest.mark.slow) for one in exhibits()],
)  # fmt: skip
@pytest.mark.skipif(not is_pinned(), reason="the reports are of other versions than are installed")
def test_reports_are_up_to_date(exhibit: Exhibit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_cache(monkeypatch, tmp_path)
    written = make(exhibit, tmp_path / "models", lambda _: None)
    new, old = contents(tmp_path / "models" / exhibit.folder), contents(MODELS / exhibit.folder)
    stale = [name for name in sorted({*new, *old}) if new.get(name) != old.get(name)]
    assert not stale, f"reports/models/{exhibit.folder} is not up to date, run `make reports`: {stale}"
    lines = ["| " + " | ".join(cells) + " |" for cells in run_cells(written)]
    lines += [] if written.comparison is None else [comparison_line(written.comparison)]
    missing = [line for line in lines if line not in INDEX.splitlines()]
    assert not missing, f"reports/README.md is not up to date, run `make reports`: {missing}"


@pytest.mark.slow
@pytest.mark.skipif(not is_pinned(), reason="the reports are of other versions than are installed")
def test_other_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Neither the order of sets and threads nor the machine's language, clock and vector instructions are seen."""
    script = (
        "import sys; from pathlib import Path; from anatomy.gallery.exhibits import exhibits;"
        "from anatomy.gallery.make import make;"
        "make(next(e for e in exhibits() if e.folder == 'gpt2'), Path(sys.argv[1]), lambda _: None)"
    )
    for number, environment in enumerate(
        (
            {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
            {"PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "default",
             "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX2 FMA3"},
        )
    ):  # fmt: skip
        folder = tmp_path / str(number)
        command = [sys.executable, "-c", script, str(folder)]
        base = {"PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path / "no-cache"), "HF_HUB_OFFLINE": "1"}
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env=base | environment)
        assert contents(folder / "gpt2") == contents(MODELS / "gpt2"), environment


def table_rows() -> list[tuple[str, list[tuple[str, str]]]]:
    """(model, [(text, target) of run, trainable, allocated, on the device, smallest GPU]) of the index."""
    found, model = [], ""
    for line in INDEX.splitlines():
        cells = line.strip("| ").split(" | ") if line.startswith("| ") and "](models/" in line else []
        if cells:
            named = re.match(r"\| `(.+?)` \|", line)
            model = named[1] if named else model
            found.append((model, LINK.findall(line)))
    return found


def test_the_index_has_every_run_and_no_other() -> None:
    asked = [(one.model, f"models/{one.folder}/{name}.md") for one in exhibits() for name in one.runs]
    assert [(model, links[0][1]) for model, links in table_rows()] == asked
    assert INDEX.startswith(INTRODUCTION)
    compared = [f"models/{one.folder}/compared.md" for one in exhibits() if one.compared]
    assert [target for _, target in LINK.findall(INDEX) if target.endswith("compared.md")] == compared


@pytest.mark.parametrize(("model", "links"), table_rows())
def test_figures_of_the_index_are_those_of_the_report(model: str, links: list[tuple[str, str]]) -> None:
    (run, trainable, allocated, device, gpu), targets = zip(*links, strict=True)
    assert len({*targets}) == 1
    report = (REPORTS / targets[0]).read_text(encoding="utf-8")
    assert report.startswith(f"# {model}: ")
    assert f"anatomy plan {model} {run.strip('`')}\n" in report
    assert f"| peak allocated | {allocated}  blocks in use |" in report
    assert f"| on the device | {device}  reserved + " in report
    assert f"| trainable | {trainable} of " in report
    answer = report.partition("## The answer\n\n")[2].splitlines()[0]
    assert answer.startswith("Does not fit" if gpu == NOWHERE else f"Fits on {gpu} (")


def test_every_link_leads_somewhere_and_every_file_is_linked() -> None:
    pages = [REPORTS / "README.md", *MODELS.rglob("*.md")]
    linked = {
        (page.parent / unquote(target)).resolve()
        for page in pages
        for _, target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target
    }
    assert not [path for path in linked if not path.is_file()]
    assert {path.resolve() for path in MODELS.rglob("*") if path.is_file()} <= linked


@pytest.mark.parametrize("page", sorted(MODELS.rglob("*.md")), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_report_names_the_pinned_versions_and_no_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    said = re.search(r"^Rehearsed with (.+)\.$", text, flags=re.MULTILINE)
    assert said
    assert dict(part.split(" ") for part in said[1].split(", ")) == {
        name: PINNED[name] for name in ("torch", "transformers", "peft", "accelerate", "bitsandbytes")
    }
    assert said[0] in INDEX
    assert not FORBIDDEN.search(text)


def test_pictures_are_drawings_of_no_day_and_no_machine() -> None:
    for file in REPORTS.rglob("*.svg"):
        text = file.read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert not FORBIDDEN.search(text), file


def test_all_of_it_is_small() -> None:
    assert sum(path.stat().st_size for path in REPORTS.rglob("*") if path.is_file()) < 4_000_000


def test_the_table_names_models_of_the_catalog_each_once() -> None:
    found = exhibits()
    assert len({one.folder for one in found}) == len(found) >= 10
    known = {entry.id for entry in catalog.entries()}
    for one in found:
        assert one.model in known
        assert len(one.runs) >= 2


def test_a_report_is_the_one_that_the_command_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_cache(monkeypatch, tmp_path)
    one = next(one for one in exhibits() if one.folder == "bert-base-uncased")
    exhibit = Exhibit(model=one.model, runs={"lora": one.runs["lora"]}, compared=None)
    make(exhibit, tmp_path, lambda _: None)
    own = tmp_path / "own" / "lora.md"
    own.parent.mkdir()
    api.write_report(api.report(one.model, **one.runs["lora"]), own)
    expected = contents(own.parent)
    text = expected["lora.md"].decode()
    for name, version in installed().items():
        text = text.replace(f"{name} {version}", f"{name} {released({name: version})[name]}")
    assert contents(tmp_path / one.folder) == expected | {"lora.md": text.encode()}


def test_what_this_machine_holds_of_a_model_is_not_reported_on(tiny_llama: Path, tmp_path: Path) -> None:
    exhibit = Exhibit(model=str(tiny_llama), runs={"lora": {"method": "lora", "seq_len": 16}}, compared=None)
    with pytest.raises(SourceError, match="was read from folder"):
        make(exhibit, tmp_path / "out", lambda _: None)


@pytest.mark.parametrize("name", TITLES)
def test_published_runs_are_drawn_as_their_page_has_them(name: str, tmp_path: Path) -> None:
    for other in TITLES:
        (tmp_path / f"{other}.json").write_bytes((REPORTS / f"{other}.json").read_bytes())
    draw_published(tmp_path)
    svg = (tmp_path / f"{name}.svg").read_bytes()
    assert svg == (REPORTS / f"{name}.svg").read_bytes(), f"{name}.svg is not up to date, run `make reports`"
    study = json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8"))
    lines = study.get("scored") or study["comparisons"]
    drawn = sum(line["predicted_bytes"] is not None for line in lines)
    assert f"Predicted against measured, {drawn} figures" in svg.decode()
    assert f"]({name}.svg)" in (REPORTS / f"{name}.md").read_text(encoding="utf-8")
