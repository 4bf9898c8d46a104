"""The reference is what the code says now; `make reference` writes it anew."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from generator import library, source_text
from generator.reference import PAGES
from generator.surroundings import VARIABLES

from anatomy.documents.whole import SECTIONS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    shown = (REFERENCE / name).read_text(encoding="utf-8")
    assert shown == PAGES[name](), "`make reference` writes it anew"


def test_the_sections_of_a_report_are_explained() -> None:
    page = (ROOT / "docs" / "how-to" / "read-a-report.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", page, flags=re.M)) == dict(SECTIONS)


def test_there_are_no_other_pages() -> None:
    assert {path.name for path in REFERENCE.iterdir()} == set(PAGES)


def test_every_public_field_has_a_sentence() -> None:
    silent = [
        f"{kind.__name__}.{field.name}"
        for kind in library.values()
        if dataclasses.is_dataclass(kind)
        for field in source_text.fields_of(kind)
        if not field.text
    ]
    assert not silent


def read_from_the_environment(path: Path) -> Iterator[str]:
    """Names written out in os.environ.get("NAME"), environ["NAME"], and in tuples of names that are looked up there."""
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)) if "environ" in text else ():
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.environ.get" and node.args:
            (name, *_) = node.args
            if isinstance(name, ast.Constant):
                yield name.value


def test_every_environment_variable_is_listed() -> None:
    found = {name for path in (ROOT / "anatomy").rglob("*.py") for name in read_from_the_environment(path)}
    assert {"NO_COLOR", "ANATOMY_DEBUG"} <= found
    assert found <= set(VARIABLES)


def test_a_signature_is_that_of_the_source() -> None:
    def example(a: int, /, b: "str" = "x", *rest: int, c: float = 1.5, **more: object) -> "list[int]":
        return [a]

    assert source_text.signature_of(example) == (
        "example(a: int, b: str = 'x', *rest: int, c: float = 1.5, **more: object) -> list[int]"
    )
