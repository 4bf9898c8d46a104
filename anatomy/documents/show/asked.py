"""What `anatomy show` says to a question: a few facts, then the answer. JSON has all that `show` has, and the answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from anatomy.architecture.anatomy import Anatomy
from anatomy.documents.document import Block, Document, Facts, Sentence, Table, named
from anatomy.units import format_count


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The answer to one question."""

    key: str
    """Its name in JSON."""
    blocks: tuple[Block, ...]
    table: Table
    """The table that csv consists of where this is the first question."""
    data: Any
    """Plain values, for JSON."""


def asked_document(anatomy: Anatomy, asked: Sequence[Asked]) -> Document:
    """The answers to one question or several on a model."""
    facts = (
        ("parameters", f"{format_count(anatomy.total)} ({anatomy.total:,})"),
        ("class", anatomy.architecture or "not built: counted from the checkpoint's headers"),
        ("read from", anatomy.origin),
    )
    return Document(
        title=named(anatomy.id, anatomy.overrides),
        blocks=(Facts(items=facts), *(block for answer in asked for block in answer.blocks)),
        table=asked[0].table,
        data={**anatomy.to_dict(), **{answer.key: answer.data for answer in asked}},
    )


def beside(document: Document, answer: Asked) -> Document:
    """A document with one more answer at its end."""
    return replace(
        document, blocks=(*document.blocks, *answer.blocks), data={**document.data, answer.key: answer.data}
    )


def noted(document: Document, text: str) -> Document:
    """A document with one more note at its end, in JSON among the others."""
    notes = [*document.data.get("notes", ()), text]
    return replace(
        document, blocks=(*document.blocks, Sentence(text=text)), data={**document.data, "notes": notes}
    )
