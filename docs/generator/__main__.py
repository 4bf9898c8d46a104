"""Write what these pages have from the code: `make docs`, or in seconds `make reference` for the reference alone."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from generator.reference import PAGES
from generator.shown import Answers, anew
from generator.stage import set_up
from generator.terminal import SHOTS, drawn

DOCS = Path(__file__).parents[1]


def main(only: str | None) -> None:
    """The reference, and unless that is all that is wanted, the terminal's pictures and the answers in the other pages."""
    for name, page in PAGES.items():
        _write(DOCS / "reference" / name, page())
    if only == "reference":
        return
    for name, shot in SHOTS.items():
        _write(DOCS / "pictures" / name, drawn(shot))
    with tempfile.TemporaryDirectory() as folder:
        set_up(Path(folder))
        known: Answers = {}
        for path in written_by_hand():
            _write(path, anew(path, Path(folder), known))


def written_by_hand() -> Iterator[Path]:
    """The other pages, in the order of their names."""
    yield from (path for path in sorted(DOCS.rglob("*.md")) if path.parent.name != "reference")


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"written: {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
