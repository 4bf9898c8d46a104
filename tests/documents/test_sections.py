"""Sections: every block in one, names that can be asked for, and sentences for those that cannot."""

import pytest

from anatomy.documents.document import Document, Facts, Notes, Section, Sentence, Table
from anatomy.documents.sections import at_home, by_title, check_names, chosen, slug
from anatomy.errors import AnatomyError

EMPTY = Table(columns=(), rows=())
FACTS = Facts(title="Facts, and more", items=())
NOTES = Notes(title="Facts, and more", items=())
LAST = Sentence(text="last")


def document(*blocks):
    return Document(title="a title", blocks=blocks, table=EMPTY)


def test_titles_begin_sections_and_no_block_is_lost():
    found = by_title(document(Sentence(text="first"), FACTS, LAST, NOTES)).blocks
    assert [(s.name, s.title, s.blocks) for s in found] == [
        ("answer", "The answer", (Sentence(text="first"),)),
        ("facts-and-more", "Facts, and more", (FACTS, LAST)),
        ("facts-and-more-2", "Facts, and more", (NOTES,)),
    ]


def test_a_document_of_sections_stays_as_it_is():
    made = document(Section(name="a", title="A", blocks=(FACTS,)))
    assert by_title(made) is made


def test_homes_and_the_rest():
    found = at_home((LAST, FACTS, LAST, NOTES), {"Facts": "here"}, "first", "other")
    assert found == {"first": [LAST], "here": [FACTS, NOTES], "other": [LAST]}
    assert at_home((NOTES,), {}, "first", "other") == {"other": [NOTES]}


def test_chosen_in_the_order_asked_for():
    made = by_title(document(LAST, FACTS, NOTES))
    assert [s.name for s in chosen(made, ("facts-and-more-2", "answer")).blocks] == [
        "facts-and-more-2",
        "answer",
    ]


@pytest.mark.parametrize(
    ("asked", "message"),
    [(("gpu",), "There is no section 'gpu'."), (("a", "a"), "The section 'a' is named twice."), ((), "No section is named.")],
)  # fmt: skip
def test_names_that_cannot_be(asked, message):
    with pytest.raises(AnatomyError) as raised:
        check_names(asked, ("a", "gpus"))
    assert raised.value.message == message
    assert "a, gpus" in (raised.value.hint or "") or "twice" in message


def test_slugs():
    assert (slug("At the peak, module by module"), slug("×")) == ("at-the-peak-module-by-module", "section")
