"""Pictures of the terminal: they say what the README says in text, load nothing, and are what commands draw now."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from generator.shown import pictures
from generator.snippets import blocks
from generator.stage import ROOT
from generator.terminal import SHOTS, drawn

LLAMA = "meta-llama/Llama-3.1-8B"
PICTURES = ROOT / "docs" / "pictures"
README = ROOT / "README.md"
TEXT = "{http://www.w3.org/2000/svg}text"


def content(name: str) -> str:
    return (PICTURES / name).read_text(encoding="utf-8")


def lines(svg: str) -> list[str]:
    """What a picture of a terminal says, line by line, with single blanks."""
    found: dict[str, list[tuple[float, str]]] = {}
    for text in ElementTree.fromstring(svg).iter(TEXT):
        place = text.get("clip-path")
        if place is not None:
            found.setdefault(place, []).append((float(text.get("x", "0")), text.text or ""))
    return [" ".join(" ".join(said for _, said in sorted(parts)).split()) for parts in found.values()]


def shown_as_text(begins: str) -> Iterator[str]:
    """The lines of the README's block that begins so, up to the first that it leaves out."""
    block = next(b for b in blocks(README.read_text(encoding="utf-8")) if b.text.startswith(begins))
    for line in block.text.splitlines():
        if line == "...":
            return
        yield " ".join(line.split())


@pytest.mark.parametrize("name", SHOTS)
def test_it_loads_nothing(name: str) -> None:
    svg = content(name)
    ElementTree.fromstring(svg)
    assert not re.findall(r"url\(['\"]?(?!#)|href|@import|@font-face|<script|<image|<foreignObject", svg)
    assert len(svg) < 150_000


@pytest.mark.parametrize(
    ("name", "begins"), [("plan.svg", f"{LLAMA}: qlora"), ("compare.svg", f"{LLAMA}: 4 runs")]
)
def test_it_says_what_the_readme_s_text_says(name: str, begins: str) -> None:
    """The text is what the command prints: tests/test_readme.py."""
    (command, _, *said) = lines(content(name))
    assert command.removeprefix("$ ").removesuffix(" \\") in SHOTS[name].command
    for line in shown_as_text(begins):
        if SHOTS[name].until and line.startswith(SHOTS[name].until):
            break
        assert line in said, line


def test_the_interface_shows_the_plan_s_numbers() -> None:
    said = "\n".join(lines(content("browse.svg")))
    for line in shown_as_text(f"{LLAMA}: qlora"):
        if line.startswith("peak "):
            assert " ".join(line.split()[:4]) in said


def test_every_picture_is_drawn_by_something() -> None:
    pages = [README, *(ROOT / "docs").rglob("*.md")]
    of_pages = {name for page in pages for name in pictures(page)}
    assert {path.name for path in PICTURES.iterdir()} == of_pages | SHOTS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOTS)
def test_it_is_what_the_command_draws(name: str) -> None:
    assert content(name) == drawn(SHOTS[name]), "`make docs` draws it anew"
