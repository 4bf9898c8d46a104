"""What the repository's own pages point to is there: links, anchors, targets of make; and how it is cited."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from generator.markdown import anchor, anchors, without_fences

ROOT = Path(__file__).parents[2]
MARKDOWN = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") or part in ("build", "dist") for part in path.relative_to(ROOT).parts)
]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MARKDOWN, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    page = re.sub(r"`[^`\n]*`", "", without_fences(path.read_text(encoding="utf-8")))
    for link in re.findall(r"\]\(<?([^)>\s]+)>?\)", page):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, fragment = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{link}: no such file"
        assert ROOT in target.parents, f"{link}: not in the repository"
        if fragment and target.suffix == ".md":
            assert fragment in anchors(target.read_text(encoding="utf-8")), f"{link}: no such heading"


def test_anchors_are_github_s() -> None:
    """As github.com has them: html-pipeline's table of contents."""
    assert anchor("What `--config` reads, and why") == "what---config-reads-and-why"
    assert anchor("A [link](x.md) & more") == "a-link--more"
    assert anchors("# Two\n## Two\n```\n# none\n```\n") == {"two", "two-1"}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))


@pytest.mark.parametrize("path", [path for path in MARKDOWN if "reports" not in path.parts], ids=name_of)
def test_targets_of_make_are_there(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    named = {
        *re.findall(r"`make ([a-z-]+)", page),
        *re.findall(r"^(?:\$ | {4})make ([a-z-]+)", page, flags=re.M),
    }
    assert named <= targets()


def test_every_target_is_phony_and_says_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, flags=re.M)
    assert phony is not None
    assert set(phony[1].split()) == targets()
    assert len(re.findall(r"^[a-z-]+:.*  ## ", text, flags=re.M)) == len(targets() - {"clean"})


def test_the_citation_is_of_this_version() -> None:
    """The keys that Citation File Format 1.2.0 requires, and those that stand in pyproject.toml as well."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= cited.keys()
    assert all(author.get("name") or author.get("family-names") for author in cited["authors"])
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
