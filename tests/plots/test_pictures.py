"""Pictures as files: what they are, that they say what the charts say, and that the same chart gives the same bytes."""

import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from io import BytesIO
from itertools import combinations

import pytest
from made_cells import made_validation
from made_timelines import TINY_CONFIGS, tiny_plan
from PIL import Image

from anatomy.architecture.anatomy import Anatomy
from anatomy.blueprint import Blueprint, Origin
from anatomy.documents.charts import Accuracy, Breakdown, Chart, Point, Tile, Treemap
from anatomy.documents.charts_of import accuracy_of, breakdown_of, timeline_of, treemap_of
from anatomy.errors import AnatomyError
from anatomy.memory.timeline import Category
from anatomy.plots import FORMS, form_of, picture
from anatomy.plots.drawing import LOOKS
from anatomy.render.palette import (
    CATEGORY_COLORS,
    CATEGORY_HATCHES,
    COMPONENT_COLORS,
    component_color,
    luminance,
    readable_on,
)
from anatomy.units import format_bytes, format_count


def tiny_anatomy() -> Anatomy:
    from anatomy.architecture.anatomy import anatomy_from

    origin = Origin(kind="file", location="a test")
    return anatomy_from(Blueprint(id="org/tiny", origin=origin, config=TINY_CONFIGS["dense"]))


def charts() -> dict[str, Chart]:
    return {
        "timeline": timeline_of(tiny_plan("dense", "lora"), columns=60),
        "breakdown": breakdown_of(tiny_plan("dense"), tiny_plan("dense", "lora")),
        "treemap": treemap_of(tiny_anatomy()),
        "accuracy": accuracy_of(made_validation()),
    }


NAMES = ("timeline", "breakdown", "treemap", "accuracy")


def texts(svg: bytes) -> list[str]:
    """Every text that is drawn."""
    root = ET.fromstring(svg)
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_the_same_chart_gives_the_same_bytes(name, form):
    chart = charts()[name]
    first = picture(chart, form)
    assert first == picture(charts()[name], form)
    assert not re.search(rb"20\d\d-\d\d-\d\dT|D:20\d{6}", first)


@pytest.mark.parametrize("name", NAMES)
def test_a_png_is_as_large_as_it_says(name):
    content = picture(charts()[name], "png")
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert width == 1650
    assert 300 < height < 1200
    image = Image.open(BytesIO(content))
    assert image.size == (width, height)
    assert image.text["Description"] == charts()[name].words
    assert len(image.convert("RGB").getcolors(1 << 24)) > 10


@pytest.mark.parametrize("name", NAMES)
def test_a_pdf_has_one_page_and_its_title(name):
    content = picture(charts()[name], "pdf")
    assert content.startswith(b"%PDF-")
    assert content.count(b"/Type /Page ") == 1
    assert b"/Title" in content


@pytest.mark.parametrize("name", NAMES)
def test_an_svg_is_named_and_described_for_readers_of_the_screen(name):
    chart = charts()[name]
    root = ET.fromstring(picture(chart, "svg"))
    assert root.get("role") == "img"
    assert [node.tag.rpartition("}")[2] for node in root][:2] == ["title", "desc"]
    assert (root[0].text, root[1].text) == (chart.title, chart.words)
    assert chart.title in texts(picture(chart, "svg"))


def test_a_timeline_says_the_peak_the_card_the_unit_and_every_part():
    plan = tiny_plan("dense", "lora")
    found = texts(picture(timeline_of(plan), "svg"))
    assert f"▼ peak {format_bytes(plan.footprint.peak_allocated_bytes)} {plan.peak_words}" in found
    card = plan.smallest_fit
    room = format_bytes(card.memory_bytes - card.context_bytes)
    assert f"↑ {card.gpu}: {room} beside the CUDA context" in found
    assert "allocated (MiB)" in found
    for row in plan.to_dict()["breakdown"]:
        assert any(text.startswith(f"{row['category']}  ") for text in found)
    assert {"forward", "backward"} <= {*found}


def test_the_cards_line_is_drawn_where_it_is_near():
    chart = timeline_of(tiny_plan("dense"))
    near = replace(
        chart, scene=replace(chart.scene, capacity_bytes=chart.scene.peak_bytes, capacity_name="A Card")
    )
    found = texts(picture(near, "svg"))
    assert f"A Card: {format_bytes(chart.scene.peak_bytes)} beside the CUDA context" in found
    assert picture(near, "png") != picture(chart, "png")


def test_bars_say_each_total_and_which_do_not_fit():
    chart = charts()["breakdown"]
    one, two = chart.bars
    judged = replace(
        chart, bars=(replace(one, fits=True), replace(two, fits=False)), capacity_bytes=one.total_bytes, capacity_name="$A$ <Card>"
    )  # fmt: skip
    found = texts(picture(judged, "svg"))
    assert {one.label, two.label, "peak reserved", "$A$ <Card>"} <= {*found}
    assert any(
        text.endswith(" MiB") and float(text.split()[0]) == round(one.total_bytes / 2**20, 2)
        for text in found
    )
    assert [text for text in found if text.endswith("does not fit")]


def test_an_icicle_says_every_component_with_what_it_holds():
    anatomy = tiny_anatomy()
    found = texts(picture(treemap_of(anatomy), "svg"))
    for name, count in anatomy.by_component.items():
        assert any(text.startswith(f"{name}  {format_count(count)}, ") for text in found)
    assert f"{format_count(anatomy.total)} parameters" in found
    assert any(text.startswith("layers.0-1 × 2") for text in found)


def test_a_scatter_has_a_mark_for_each_point_and_the_bands():
    chart = charts()["accuracy"]
    content = picture(chart, "svg")
    assert {"±1 %", "±5 %", "measured (MiB)", "predicted (MiB)"} <= {*texts(content)}
    root = ET.fromstring(content)
    marks = [
        node
        for group in root.iter("{http://www.w3.org/2000/svg}g")
        if group.get("id", "").startswith("PathCollection")
        for node in group.iter("{http://www.w3.org/2000/svg}use")
    ]
    assert len(marks) >= 2 * len(chart.points)


HOSTILE = "a$b_{c}$ \x00\x1b[31m<&>\u202e 模型\nnext"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "chart",
    [
        Breakdown(title=HOSTILE, bars=()),
        Treemap(title=HOSTILE, root=Tile(label="", path="", kind="", component="", parameters=0), by_component=()),
        Accuracy(title=HOSTILE, points=()),
        Accuracy(title="one", points=(Point(
            label=HOSTILE, family=HOSTILE, method="x", figure=HOSTILE, predicted_bytes=0, measured_bytes=5
        ),)),
        Accuracy(title="one", points=(Point(
            label=HOSTILE, family=HOSTILE, method="x", figure=HOSTILE, predicted_bytes=5, measured_bytes=5
        ),)),
    ],
    ids=["no bars", "no parameters", "no points", "no prediction", "one point"],
)  # fmt: skip
def test_nothing_and_hostile_names_are_drawn_as_they_are(chart, form):
    content = picture(chart, form)
    assert len(content) > 500
    if form == "svg":
        ET.fromstring(content)
        assert "\x1b" not in content.decode()


def test_endings_say_what_a_file_will_be():
    assert [form_of(f"a/b.{end}") for end in ("png", "SVG", "pdf")] == ["png", "svg", "pdf"]
    for path in ("plan.jpg", "plan", "png"):
        with pytest.raises(AnatomyError, match=r"a picture is a \.png, an \.svg or a \.pdf file"):
            form_of(path)


def test_the_users_settings_change_nothing_and_are_left_alone():
    import matplotlib

    chart = charts()["breakdown"]
    usual = picture(chart, "svg")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert picture(chart, "svg") == usual
        assert matplotlib.rcParams["font.size"] == 30


def test_no_window_system_is_asked_for():
    """pyplot, which chooses a backend and keeps figures alive, is never imported."""
    script = (
        "import sys; from anatomy.plots import picture; from anatomy.documents.charts import Accuracy;"
        "picture(Accuracy(title='', points=()), 'png'); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def lightness(color: str) -> float:
    """CIE L* of a colour, 0 to 100: equal steps look equal."""
    y = luminance(color)
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


@pytest.mark.parametrize("pair", list(combinations(Category, 2)), ids=lambda pair: " / ".join(pair))
def test_categories_are_told_apart_in_grey(pair):
    """By a hatch in other directions, else by at least 20 steps of lightness."""
    one, two = pair
    if set(CATEGORY_HATCHES[one]) == set(CATEGORY_HATCHES[two]):
        assert abs(lightness(CATEGORY_COLORS[one]) - lightness(CATEGORY_COLORS[two])) >= 20


@pytest.mark.parametrize("category", Category)
def test_a_hatch_is_seen_in_grey(category):
    look = LOOKS[category.value]
    if look["hatch"]:
        assert abs(lightness(look["facecolor"]) - lightness(look["edgecolor"])) >= 15


def test_every_component_has_a_colour_that_its_name_is_read_on():
    from anatomy.architecture.components import COMPONENTS

    assert set(COMPONENT_COLORS) == set(COMPONENTS)
    for color in (*COMPONENT_COLORS.values(), component_color("")):
        high, low = sorted((luminance(color), luminance(readable_on(color))), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2.2, 1.4.3
