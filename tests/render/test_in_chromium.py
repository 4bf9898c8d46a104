"""The page in a real browser: it asks nothing of a network, says nothing on its console, and everything on it works.

axe-core comes with a package of Python's index (see the Makefile); it is read from there, and that package's code not run.
"""

from importlib.util import find_spec
from pathlib import Path

import pytest
from chromium import Chromium, find
from made_cells import made_validation
from made_records import make_record
from made_reports import tiny_report

from anatomy.documents.document import Column, Document, Table
from anatomy.documents.others import record_report, validation_report
from anatomy.render import render

PROGRAM = find()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here")
SERIOUS = ("serious", "critical")
SIZES = [(400, False), (400, True), (1600, False), (1600, True)]
UNFOLDED = (
    "document.querySelectorAll('details').forEach(d => { d.open = true; });"
    "document.querySelectorAll('.behind tbody tr:nth-child(n+20)').forEach(row => row.remove()); 0"
)
"""Everything open; of the hundreds of alike rows behind a chart some, as axe looks at every cell for long."""


@pytest.fixture(scope="module")
def browser():
    with Chromium(PROGRAM or "") as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    documents = {
        "plan": tiny_report(),
        "run": record_report(make_record("cuda"), "anatomy report run.json"),
        "grid": validation_report(made_validation(), None),
    }
    for name, document in documents.items():
        (folder / f"{name}.html").write_text(render(document, "html"))
    return folder


@pytest.fixture(scope="module")
def axe():
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.skip("axe-core is not installed")
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def faults(browser, axe):
    """(impact, rule, element) of what axe finds, under rules of WCAG and good practice."""
    browser.js(f"{axe}; 0")
    found = browser.js(
        "axe.run().then(r => r.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html)]))"
    )
    return [(impact, rule, str(nodes)[:300]) for impact, rule, nodes in found]


def box(browser, selector):
    """(left, top, width, height) of an element, scrolled into view."""
    return browser.js(
        f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
        "const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()"
    )


@pytest.mark.parametrize("name", ["plan", "run", "grid"])
@pytest.mark.parametrize(("width", "dark"), SIZES)
def test_quiet_alone_and_as_wide_as_the_window(browser, pages, name, width, dark):
    browser.open(pages / f"{name}.html", width=width, dark=dark)
    assert browser.complaints() == []
    assert browser.requests() == [(pages / f"{name}.html").as_uri()]
    assert browser.js("document.documentElement.scrollWidth <= innerWidth")
    ground = browser.js("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark
    assert browser.screenshot().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["plan", "run", "grid"])
def test_what_scripts_add_has_ids_of_its_own(browser, pages, name):
    browser.open(pages / f"{name}.html")
    ids = browser.js("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    assert name == "run" or any(id_.endswith("-filter") for id_ in ids)


def test_a_request_would_have_been_seen(browser, pages, tmp_path):
    """What the test above counts is really counted: a page that fetches, and one that its policy keeps from it."""
    file = tmp_path / "asks.html"
    file.write_text("<!DOCTYPE html><html lang=en><title>t</title><img src='missing.png' alt=''>")
    browser.open(file)
    assert any(address.endswith("missing.png") for address in browser.requests())
    text = (pages / "plan.html").read_text().replace("<main", "<script>document.title = 'run'</script><main")
    file.write_text(text)
    browser.open(file)
    assert browser.js("document.title") != "run"
    assert any("Content Security Policy" in said for said in browser.complaints())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plan", "run", "grid"])
@pytest.mark.parametrize(("width", "dark"), SIZES)
def test_axe_finds_no_fault(browser, pages, axe, name, width, dark):
    browser.open(pages / f"{name}.html", width=width, dark=dark)
    browser.js(UNFOLDED)
    assert [fault for fault in faults(browser, axe) if fault[0] in SERIOUS] == []


@pytest.mark.parametrize(
    ("seed", "rule"),
    [
        ("document.querySelector('.said').style.color = '#999'", "color-contrast"),
        ("document.querySelector('label[for$=-modules]').remove()", "label"),
        ("document.documentElement.removeAttribute('lang')", "html-has-lang"),
        ("document.querySelector('.field').setAttribute('aria-valuenow', 'x')", "aria-valid-attr-value"),
    ],
)
def test_axe_finds_a_seeded_fault(browser, pages, axe, seed, rule):
    browser.open(pages / "plan.html", width=400)
    browser.js(f"{UNFOLDED}; {seed}; 0")
    assert rule in [name for impact, name, _ in faults(browser, axe) if impact in SERIOUS]


def test_the_timeline_follows_mouse_and_keys(browser, pages):
    browser.open(pages / "plan.html")
    said = "document.querySelector('.timeline .readout p').textContent"
    table = "document.querySelector('.timeline .behind table').tBodies[0].rows"
    left, top, width, height = box(browser, ".timeline .field")
    browser.mouse(left + 1, top + height / 2)
    first = browser.js(said)
    assert first == browser.js(f"(c => `${{c[0].textContent}}: ${{c[2].textContent}} in use, ${{c[3].textContent}} reserved`)({table}[0].cells)")  # fmt: skip
    browser.mouse(left + width - 1, top + height / 2)
    assert browser.js("document.querySelector('.timeline .field').ariaValueNow") == str(
        browser.js(f"{table}.length") - 1
    )
    browser.js("document.querySelector('.timeline .field').focus(); 0")
    browser.key("Home")
    assert browser.js(said) == first
    browser.key("ArrowRight")
    browser.key("ArrowRight")
    assert browser.js("document.querySelector('.timeline .field').ariaValueNow") == "2"
    assert browser.js("document.querySelector('.timeline .field').ariaValueText").startswith(browser.js(said))


def test_what_is_alive_adds_up_at_every_instant(browser, pages):
    browser.open(pages / "plan.html")
    assert browser.js(
        "[...document.querySelector('.timeline .behind table').tBodies[0].rows].every(r => {"
        "const n = [...r.cells].slice(2).map(c => Number(c.dataset.value));"
        "return n.slice(2).reduce((a, b) => a + b, 0) === n[0]; })"
    )


def test_categories_are_hidden_and_shown(browser, pages):
    browser.open(pages / "plan.html")
    path = "document.querySelector('.area[data-category=activations]').getBBox()"
    list_ = "[...document.querySelectorAll('.timeline .readout dt')].map(d => d.textContent)"
    drawn = browser.js(f"{path}.y")
    button = "document.querySelector('.legend [data-category=weights]')"
    assert "weights" in browser.js(list_)
    x, y, w, h = box(browser, ".legend [data-category=weights]")
    browser.mouse(x + w / 2, y + h / 2, click=True)
    assert browser.js(f"{button}.ariaPressed") == "false"
    assert browser.js("document.querySelector('.area[data-category=weights]').getBBox().height") == 0
    assert browser.js(f"{path}.y") > drawn
    assert "weights" not in browser.js(list_)
    browser.mouse(x + w / 2, y + h / 2, click=True)
    assert browser.js(f"{path}.y") == pytest.approx(drawn)


def test_the_icicle_tells_zooms_filters_and_walks(browser, pages):
    browser.open(pages / "plan.html")
    said = "document.querySelector('.icicle .readout').textContent"
    find_tile = "[...document.querySelectorAll('.tile')].find(t => t.textContent === {!r})"
    tile = find_tile.format("mlp")
    before = browser.js(f"{tile}.clientWidth")
    browser.js(f"{tile}.id = 'the-mlp'; 0")
    x, y, w, h = box(browser, "#the-mlp")
    browser.mouse(x + w / 2, y + h / 2)
    assert browser.js(said).startswith("model.layers.0.mlp (")
    assert "49,152 parameters" in browser.js(said)
    browser.mouse(x + w / 2, y + h / 2, click=True)
    assert browser.js(f"{tile}.clientWidth") > before
    assert browser.js(f"{find_tile.format('self_attn')}.classList.contains('gone')")
    browser.key("ArrowDown")
    assert browser.js("document.activeElement.textContent") == "gate_proj"
    browser.key("ArrowRight")
    assert browser.js("document.activeElement.textContent") == "up_proj"
    browser.key("Escape")
    assert browser.js(f"{tile}.clientWidth") == pytest.approx(before, abs=1)
    browser.js("document.querySelector('.icicle input').focus(); 0")
    browser.type("mlp")
    assert browser.js(said) == "4 of 17 modules: 49,152 parameters, 46.02 %"
    assert browser.js("document.querySelectorAll('.tile.dim').length") == 13


def test_tables_sort_by_value_and_filter(browser, pages):
    browser.open(pages / "plan.html")
    table = "[...document.querySelectorAll('table')].find(t => t.caption.textContent === 'Where it fits')"
    column = (
        f"[...{table}.tBodies[0].rows].filter(r => !r.classList.contains('hidden')).map(r => r.cells[%d].%s)"
    )
    given = browser.js(column % (0, "textContent"))
    browser.js(
        f"{table}.tHead.rows[0].cells[1].firstChild.click(); {table}.tHead.rows[0].cells[1].firstChild.click()"
    )
    sizes = browser.js(column % (1, "dataset.value"))
    assert [int(size) for size in sizes] == sorted(map(int, sizes), reverse=True)
    assert browser.js(f"{table}.tHead.rows[0].cells[1].ariaSort") == "descending"
    browser.js(f"{table}.tHead.rows[0].cells[1].firstChild.click()")
    assert browser.js(column % (0, "textContent")) == given
    browser.js(f"document.getElementById({table}.id + '-filter').focus(); 0")
    browser.type("h100 sxm")
    assert browser.js(column % (0, "textContent")) == [
        name for name in given if "H100" in name and "SXM" in name
    ]
    assert f"of {len(given)} rows" in browser.js(
        f"{table}.closest('.table').querySelector('[role=status]').textContent"
    )


def test_links_unfold_and_the_look_is_switched(browser, pages):
    browser.open(pages / "plan.html")
    browser.js(
        "document.querySelector('#phases > details').open = false; document.querySelector('nav a[href=\"#phases\"]').click()"
    )
    browser.js("new Promise(done => setTimeout(done, 50))")
    assert browser.js("document.querySelector('#phases > details').open")
    browser.js("document.querySelector('.theme').click()")
    assert browser.js("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    browser.key("Tab")
    assert browser.js("document.activeElement.matches(':focus-visible')")


def test_the_first_stop_of_the_keyboard_skips_to_the_report(browser, pages):
    browser.open(pages / "plan.html")
    browser.key("Tab")
    assert browser.js("document.activeElement.className") == "skip"
    browser.key("Enter")
    assert browser.js("document.activeElement.id") == "report"


def test_printed_it_is_light_and_whole(browser, pages):
    browser.open(pages / "plan.html", dark=True)
    browser.js("document.querySelector('#phases > details').open = false; 0")
    pdf = browser.call("Page.printToPDF", printBackground=True)["data"]
    assert len(pdf) > 20_000
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.js("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.js("getComputedStyle(document.querySelector('nav')).display") == "none"
    browser.call("Emulation.setEmulatedMedia", media="")


def test_without_scripts_everything_can_be_read(browser, pages):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(pages / "plan.html")
        assert browser.js("document.querySelectorAll('.area').length") > 4
        assert browser.js("document.querySelector('.timeline .readout p').textContent").startswith(
            "backward of step"
        )
        assert browser.js("document.querySelectorAll('table').length") > 8
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_point_of_the_scatter_says_what_it_is(browser, pages):
    browser.open(pages / "grid.html")
    x, y, w, h = box(browser, ".scatter .dot")
    browser.mouse(x + w / 2, y + h / 2)
    said = browser.js("document.querySelector('.scatter .readout').textContent")
    assert "predicted 200.00 MiB, measured 20" in said


def test_names_that_are_markup_run_nothing(browser, tmp_path):
    hostile = (
        "</script></style><img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    )
    table = Table(
        title=hostile,
        columns=(Column(name="a", title=hostile),),
        rows=tuple((hostile * (n + 1),) for n in range(12)),
    )
    file = tmp_path / "hostile.html"
    file.write_text(render(Document(title=hostile, blocks=(table,), table=table), "html"))
    browser.open(file)
    browser.js("document.querySelector('thead button').click(); 0")
    assert browser.js("document.title") == hostile
    assert browser.js("document.querySelector('h1').textContent") == hostile
    assert browser.js("document.querySelectorAll('img').length") == 0
    assert browser.complaints() == []
    assert browser.requests() == [file.as_uri()]
