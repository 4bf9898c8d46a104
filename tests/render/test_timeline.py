"""A timeline in a terminal: drawn where there is room, in words elsewhere; and only there in `plan`."""

import re

import pytest
from made_timelines import tiny_plan

from anatomy.documents.charts_of import timeline_of
from anatomy.documents.document import Document, Table
from anatomy.documents.plan.run import plan_document, where_sentence, with_timeline
from anatomy.memory.timeline import Category
from anatomy.render import render
from anatomy.render.palette import CATEGORY_LETTERS
from anatomy.render.picture import ABOVE, BELOW, LEAST
from anatomy.render.style import Style
from anatomy.render.timeline import ROWS


def drawn(style: Style) -> list[str]:
    document = Document(
        title="t", blocks=(timeline_of(tiny_plan("dense", "lora")),), table=Table(columns=(), rows=())
    )
    return render(document, "table", style).splitlines()[3:]


def test_it_is_drawn_from_the_peak_down_to_the_steps_and_the_letters():
    plan = tiny_plan("dense", "lora")
    lines = drawn(Style(width=120))
    assert "▼" in lines[0]
    assert "peak" in lines[0]
    assert lines[0].lstrip().startswith("MiB")
    assert len(lines) >= ABOVE + ROWS + BELOW + 1
    assert all(len(line) <= 120 for line in lines)
    area = "".join(lines[1 : 1 + ROWS])
    highest = max(plan.footprint.by_category.items(), key=lambda part: part[1])[0]
    assert area.count(CATEGORY_LETTERS[highest]) > 100, "the largest part at the peak fills most of the area"
    key = " ".join(lines[ABOVE + ROWS + BELOW :])
    for category in timeline_of(plan).categories:
        assert f"{CATEGORY_LETTERS[category]} {category.value}" in re.sub(r"\s+", " ", key)


def test_colours_are_those_of_every_terminal_of_today():
    """256 of them; what is not a picture has the sixteen that a user's theme sets."""
    lines = drawn(Style(width=120, color=True))
    assert any("\x1b[38;5;" in line or "48;5;" in line for line in lines)
    text = render(plan_document(tiny_plan("dense")), "table", Style(width=120, color=True))
    assert "38;5;" not in text
    assert "\x1b[1;36m" in text


def test_ascii_is_ascii_and_no_wider():
    lines = drawn(Style(width=120, ascii=True))
    assert "".join(lines).isascii()
    assert "?" not in "".join(lines)
    assert max(map(len, lines)) <= 120


def test_in_words_where_it_is_narrow():
    lines = drawn(Style(width=LEAST - 1))
    assert "Memory in use by category" in " ".join(lines)
    assert len(lines) < ROWS


@pytest.mark.parametrize("width", [LEAST, 130, 400])
def test_it_stays_within_the_terminal_and_is_never_huge(width):
    assert 100 < max(map(len, drawn(Style(width=width)))) <= min(width, 160)


def test_it_stands_after_where_the_peak_is():
    plan = tiny_plan("dense")
    before = plan_document(plan)
    after = with_timeline(before, plan)
    at = before.blocks.index(where_sentence(plan)) + 1
    assert after.blocks[:at] == before.blocks[:at]
    assert after.blocks[at + 1 :] == before.blocks[at:]
    assert after.blocks[at].title.startswith("Allocated in step 2")
    assert after.data == before.data


def test_every_category_has_a_letter_of_its_own():
    assert len({CATEGORY_LETTERS[category] for category in Category}) == len(Category)
