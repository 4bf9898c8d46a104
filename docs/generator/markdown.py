"""Markdown as GitHub reads it: tables, anchors of headings."""

import re
from collections.abc import Iterable, Sequence

NOTICE = "<!-- Written by `make reference` from the code: change it there. -->\n"
"""The first line of a page that nobody edits."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a head that ends in ':' is of a column aligned to the right. Columns that are empty in all rows are left out."""
    rows = [[cell(text) for text in row] for row in rows]
    kept = [at for at in range(len(heads)) if any(row[at] for row in rows)]
    lines = [
        [heads[at].removesuffix(":") for at in kept],
        ["--:" if heads[at].endswith(":") else ":--" for at in kept],
        *([row[at] for at in kept] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(text: str) -> str:
    """Text that stands in a cell: one line, its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    """Text as it is typed; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def codes(texts: Iterable[object]) -> str:
    """Several of them."""
    return ", ".join(map(code, texts))


def plain(text: str) -> str:
    """Text in which nothing is markup, but for what stands in backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([*<\[\]]|\b_|_\b)", r"\\\1", part) for part in parts
    )


def prose(docstring: str) -> str:
    """A docstring's paragraphs, unwrapped, with its names in single quotes left as they are."""
    paragraphs = re.split(r"\n\s*\n", docstring.strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def joined(*parts: str) -> str:
    """The parts of a page, an empty line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def anchor(heading: str) -> str:
    """The fragment by which GitHub links to a heading."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


def anchors(page: str) -> set[str]:
    """Every fragment of a page. A heading that stands there again gets a number, as GitHub gives it."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", without_fences(page), flags=re.M):
        name = anchor(heading)
        found[name] = found.get(name, -1) + 1
    return {f"{name}-{n}" if n else name for name, last in found.items() for n in range(last + 1)}


def without_fences(page: str) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^(```+).*?^\1$", "", page, flags=re.M | re.S)
