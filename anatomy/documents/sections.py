"""A Document cut into sections that have names: to fold, to link to, to choose from."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from anatomy.documents.document import Block, Document, Section
from anatomy.errors import AnatomyError

ANSWER, ANSWER_TITLE = "answer", "The answer"
"""What stands before the first title."""


def by_title(document: Document) -> Document:
    """Each titled block begins a section of its own name; what stands before the first is the answer."""
    if any(isinstance(block, Section) for block in document.blocks):
        return document
    found: list[tuple[str, list[Block]]] = [(ANSWER_TITLE, [])]
    for block in document.blocks:
        title = getattr(block, "title", "")
        if title:
            found.append((title, []))
        found[-1][1].append(block)
    names: dict[str, int] = {}
    sections = tuple(
        Section(
            name=_unique(ANSWER if title == ANSWER_TITLE else slug(title), names),
            title=title,
            blocks=(*blocks,),
        )
        for title, blocks in found
        if blocks
    )
    return replace(document, blocks=sections)


def at_home(
    blocks: Iterable[Block], homes: Mapping[str, str], first: str, other: str
) -> dict[str, list[Block]]:
    """Section -> the blocks that belong there. `homes`: beginning of a title -> section.

    Titles that nobody knows go to `other`; what has no title goes to `first` before any title, else to `other`.
    """
    found: dict[str, list[Block]] = {}
    place = first
    for block in blocks:
        title = getattr(block, "title", "")
        if title:
            place = next((home for start, home in homes.items() if title.startswith(start)), other)
        elif place != first:
            place = other
        found.setdefault(place, []).append(block)
    return found


def check_names(asked: Sequence[str], known: Sequence[str]) -> None:
    """Raises AnatomyError for a section that there is not, or that is asked for twice."""
    unknown = [name for name in asked if name not in known]
    if unknown or not asked:
        said = f"There is no section {unknown[0]!r}." if unknown else "No section is named."
        raise AnatomyError(said, hint=f"the sections: {', '.join(known)}")
    if twice := [name for name in asked if asked.count(name) > 1]:
        raise AnatomyError(f"The section {twice[0]!r} is named twice.", hint="name each once")


def chosen(document: Document, asked: Sequence[str]) -> Document:
    """The sections that are asked for, in that order. Raises AnatomyError as `check_names`."""
    there = {block.name: block for block in document.blocks if isinstance(block, Section)}
    check_names(asked, tuple(there))
    return replace(document, blocks=tuple(there[name] for name in asked))


def slug(title: str) -> str:
    """'At the peak, module by module' -> 'at-the-peak-module-by-module'."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def _unique(name: str, names: dict[str, int]) -> str:
    names[name] = names.get(name, 0) + 1
    return name if names[name] == 1 else f"{name}-{names[name]}"
