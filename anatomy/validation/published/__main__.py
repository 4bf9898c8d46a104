"""`python -m anatomy.validation.published -o reports`: rehearse published runs and write the tables.

With `--same-versions`, those that were measured with the installed torch, as published_versions.*; see `make published`.
"""

import argparse
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

from anatomy.validation.published.ladder import climb, ladder_markdown
from anatomy.validation.published.pages import to_csv, to_json, to_markdown
from anatomy.validation.published.reader import rows
from anatomy.validation.published.study import study
from anatomy.validation.published.versions import versions_study
from anatomy.validation.published.versions_page import versions_csv, versions_json, versions_markdown


def main() -> None:
    """Write the files into the folder that `-o` names."""
    parser = argparse.ArgumentParser(prog="python -m anatomy.validation.published", description=__doc__)
    parser.add_argument("-o", dest="folder", type=Path, default=Path("reports"), help="where to write")
    parser.add_argument("--same-versions", action="store_true", help="only runs of the installed torch")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    texts = _versions() if arguments.same_versions else _published()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (arguments.folder / name).write_text(text, encoding="utf-8")


def _published() -> Mapping[str, str]:
    found = study(rows(), _tell)
    return {
        "published.md": to_markdown(found),
        "published.csv": to_csv(found),
        "published.json": to_json(found),
        "ladder.md": ladder_markdown(tuple(climb(_tell))),
    }


def _versions() -> Mapping[str, str]:
    found = versions_study(rows(), _tell)
    return {
        "published_versions.md": versions_markdown(found),
        "published_versions.csv": versions_csv(found),
        "published_versions.json": versions_json(found),
    }


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
