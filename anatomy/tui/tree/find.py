"""Searching a model: words that a module or a parameter is found by."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from anatomy.architecture.tree import OwnParameter
from anatomy.tui.tree.outline import Outline

_SHAPE = re.compile(r"\d+([x×]\d+)+")
Facet = tuple[str, str, str, tuple[OwnParameter, ...]]
"""What an item is found by, its place aside: own name, class, component, the parameters that its row shows."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: words between blanks, all of which have to match; upper and lower case are the same.

    A word matches a part of the own name, of the class, of the component, or of a shown parameter's name; with a dot
    also a part of the path; as '4096x4096' neighbouring sides of a shape; a number a name or one side; a mark's word
    ('trainable') what is marked so.
    """

    text: str

    def __bool__(self) -> bool:
        return bool(self.words)

    @property
    def words(self) -> tuple[str, ...]:
        """In lower case."""
        return tuple(self.text.lower().split())

    @property
    def tells_members_apart(self) -> bool:
        """Whether members of one folded group can differ in matching: paths and numbers do, and marks may."""
        return any("." in word or word.isdigit() or word in MARK_WORDS for word in self.words)


MARK_WORDS = frozenset({"tied", "trainable", "frozen", "quantized", "adapter", "target"})
"""Words that mean a mark."""
Marked = Callable[[str], Collection[int]]
"""A mark's word -> the items that are marked so."""


def matching(
    outline: Outline,
    query: Query,
    items: Iterable[int],
    marks: Marked | None = None,
) -> list[int]:
    """Those of the items that a query finds, in the same order.

    Most items share what they are found by with a thousand others, so that it is asked once.
    """
    plain = [word for word in query.words if "." not in word and (marks is None or word not in MARK_WORDS)]
    samples = [facet_of(outline, item) for item in outline.samples]
    good = [all(_matches(word, facet) for word in plain) for facet in samples]
    facets = outline.facets
    found = [item for item in items if good[facets[item]]]
    for word in query.words:
        if "." in word:
            hits, paths = [_matches(word, facet) for facet in samples], outline.paths
            found = [item for item in found if hits[facets[item]] or word in paths[item].lower()]
        elif word not in plain and marks is not None:
            hits, marked = [_matches(word, facet) for facet in samples], marks(word)
            found = [item for item in found if hits[facets[item]] or item in marked]
    return found


def facet_of(outline: Outline, item: int) -> Facet:
    """What an item is found by."""
    name = outline.title if item == 0 else outline.label(item)
    return name.lower(), outline.kind(item).lower(), outline.component(item), outline.shown(item)


def _matches(word: str, facet: Facet) -> bool:
    name, kind, component, shown = facet
    if _SHAPE.fullmatch(word):
        sides = f"x{word.replace('×', 'x')}x"
        return any(sides in f"x{'x'.join(map(str, own.shape))}x" for own in shown)
    if word.isdigit():
        return word == name or any(int(word) in own.shape for own in shown)
    return word in name or word in kind or word in component or any(word in own.name.lower() for own in shown)
