"""HTML: balanced, self-contained, with landmarks; every number whole beside its text; no name is ever markup."""

import json
import re
from dataclasses import replace

import pytest
from made_cells import made_validation
from made_records import make_record
from made_reports import tiny_report
from pages import Page

from anatomy.documents.document import (
    Code,
    Column,
    Document,
    Facts,
    Notes,
    Picture,
    Section,
    Sentence,
    Stage,
    Table,
)
from anatomy.documents.document import Diagram as LayerDiagram
from anatomy.documents.others import record_report, validation_report
from anatomy.documents.plan.run import plan_document
from anatomy.render import render

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> & \"'`\u202e\x07"
LIMIT = 1_500_000


def hostile_document():
    table = Table(
        title=HOSTILE,
        columns=(Column(name="a", title=HOSTILE), Column(name="b", title="b", right=True)),
        rows=((HOSTILE, 1), ("</td></table>", 2)),
        total=("all", 3),
        caption=HOSTILE,
    )
    stage = Stage(label=HOSTILE, kind=HOSTILE, shapes=((HOSTILE, (2, 3)),), parameters=6)
    blocks = (
        Sentence(text=HOSTILE),
        Facts(title="f", items=((HOSTILE, HOSTILE),)),
        table,
        Notes(title=HOSTILE, items=(HOSTILE,)),
        Code(title=HOSTILE, text=f"</code></pre>{HOSTILE}"),
        LayerDiagram(title=HOSTILE, stage=stage, caption=HOSTILE),
        Picture(file="x.svg", alt=HOSTILE),
    )
    return Document(title=HOSTILE, blocks=blocks, table=table)


DOCUMENTS = {
    "plan": tiny_report,
    "run": lambda: record_report(make_record("cuda"), "anatomy report run.json"),
    "grid": lambda: validation_report(made_validation(), None),
    "hostile": hostile_document,
}


@pytest.fixture(params=DOCUMENTS)
def text(request):
    return render(DOCUMENTS[request.param](), "html")


def test_balanced_with_landmarks_and_one_of_each_id(text):
    page = Page(text)
    ids = [given["id"] for _, given in page.elements if "id" in given]
    assert len(ids) == len(set(ids))
    for landmark in ("header", "nav", "main", "h1"):
        assert len(page.all(landmark)) == 1
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("title")
    for link in page.all("a"):
        assert (link["href"] or "").removeprefix("#") in ids
    for label in page.all("label"):
        assert label["for"] in ids
    for given in page.all("section"):
        assert given["aria-labelledby"] in ids
    assert all(given.get("scope") in ("row", "col") for given in page.all("th"))


def test_nothing_is_fetched_and_nothing_runs_inline(text):
    page = Page(text)
    assert not re.search(r"https?:|url\(|@import|//[a-z]", text.replace("//# ", ""))
    assert not {name for name, _ in page.elements} & {
        "link",
        "img",
        "iframe",
        "object",
        "image",
        "use",
        "base",
    }
    for _, given in page.elements:
        assert not [name for name in given if name.startswith("on") or name in ("style", "src", "srcset")]
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_ascii_small_and_the_same_again(text):
    assert text.isascii()
    assert len(text) < LIMIT


def test_the_same_document_gives_the_same_page():
    assert render(tiny_report(), "html") == render(tiny_report(), "html")


def test_totals_are_sums(text):
    totals = [table for table in Page(text).tables if table.total is not None]
    for table in totals:
        for at, total in enumerate(table.total.values):
            if total is not None:
                assert sum(row.values[at] or 0 for row in table.rows) == pytest.approx(total, rel=1e-12)


def test_names_are_text():
    page = Page(render(hostile_document(), "html"))
    assert len(page.all("script")) == 1
    assert not page.all("img")
    shown = "<script>alert(1)</script><img src=x onerror=alert(2)> & \"'`\\u202e\\x07"
    assert page.tables[0].texts(shown)[0] == shown
    assert page.all("meta")[0] == {"charset": "utf-8"}


def test_every_number_is_the_jsons():
    document = tiny_report()
    page, plan = Page(render(document, "html")), document.data["plan"]
    by_category = {row["category"]: row["bytes"] for row in plan["breakdown"]}
    bars = page.named("Allocated at the peak")
    assert dict(zip(bars.texts("part"), bars.column("memory"), strict=True)) == by_category
    gpus = page.named("Where it fits")
    assert list(zip(gpus.texts("GPU"), gpus.column("memory"), gpus.column("headroom"), strict=True)) == [
        (fit["gpu"], fit["memory_bytes"], fit["headroom_bytes"]) for fit in plan["fits"]
    ]
    phases = page.named("Allocated, phase by phase")
    assert dict(zip(phases.texts("phase"), phases.column("after it"), strict=True)) == plan["resting"]
    parts = page.named("Components")
    components = dict(zip(parts.texts("component"), parts.column("parameters"), strict=True))
    assert components == document.data["anatomy"]["parameters"]["by_component"]
    modules = page.named("The peak, module by module")
    assert sum(modules.column("peak")) == plan["peak"]["allocated_bytes"]


def test_the_timelines_table_is_the_jsons():
    document = tiny_report()
    table, chart = (
        Page(render(document, "html")).named("Memory in use, event by event"),
        document.data["charts"]["timeline"],
    )
    assert table.heads == ["phase", "event", "in use", "reserved", *chart["categories"]]
    assert [row.values[1:] for row in table.rows] == [
        [c["index"], c["allocated_bytes"], c["reserved_bytes"], *c["parts"]] for c in chart["columns"]
    ]


def test_the_icicle_has_every_module():
    document = tiny_report()
    page = Page(render(document, "html"))
    tiles = [given for given in page.all("button") if (given.get("class") or "").startswith("tile ")]

    def walk(tile):
        yield tile["parameters"]
        for child in tile["children"]:
            yield from walk(child)

    tree = document.data["charts"]["parameters"]["tree"]
    assert [int(given["data-value"]) for given in tiles] == list(walk(tree))
    assert "106,816 parameters, 100.00 %" in tiles[0]["aria-label"]


def test_any_answer_has_a_page(made_plan):
    page = Page(render(plan_document(made_plan), "html"))
    assert [table.caption for table in page.tables] == [
        "Allocated at the peak", "Where it fits", "Allocated, phase by phase"
    ]  # fmt: skip
    assert len(page.all("section")) == len(page.all("h2"))


def test_sections_keep_their_names():
    document = Document(
        title="t",
        blocks=(Section(name="gpus", title="Where it fits", blocks=(Sentence(text="It fits."),)),),
        table=Table(columns=(), rows=()),
    )
    page = Page(render(document, "html"))
    assert page.all("section")[0]["id"] == "gpus"
    assert page.all("a")[1]["href"] == "#gpus"
    assert json.loads(render(replace(document, data={"a": 1}), "json")) == {"a": 1}


def test_the_reserved_line_has_a_name():
    text = render(tiny_report(), "html")
    named = {re.sub("<.*?>", "", one) for one in re.findall(r'<span class="label .*?</span>', text)}
    assert text.count('class="reserved"') == 1
    assert "reserved" in named
    assert any(one.startswith("peak ") for one in named)
