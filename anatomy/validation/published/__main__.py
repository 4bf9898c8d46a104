"""`python -m anatomy.validation.published -o reports`: rehearse every comparable run and write the three tables."""

import argparse
import sys
import warnings
from pathlib import Path

from anatomy.validation.published.pages import to_csv, to_json, to_markdown
from anatomy.validation.published.reader import rows
from anatomy.validation.published.study import study


def main() -> None:
    """Write published.md, .csv and .json into the folder that `-o` names."""
    parser = argparse.ArgumentParser(prog="python -m anatomy.validation.published", description=__doc__)
    parser.add_argument("-o", dest="folder", type=Path, default=Path("reports"), help="where to write")
    folder: Path = parser.parse_args().folder
    warnings.simplefilter("ignore")
    found = study(rows(), lambda text: print(text, file=sys.stderr))
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, render in (("md", to_markdown), ("csv", to_csv), ("json", to_json)):
        (folder / f"published.{suffix}").write_text(render(found), encoding="utf-8")


if __name__ == "__main__":
    main()
