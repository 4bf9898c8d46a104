"""`python -m anatomy.gallery -o reports`: plan the models of models.toml, write their reports, the pictures and the index."""

import argparse
import shutil
import sys
import warnings
from pathlib import Path

from anatomy.gallery.accuracy import draw_published
from anatomy.gallery.exhibits import exhibits
from anatomy.gallery.index import index_markdown
from anatomy.gallery.make import make, released
from anatomy.versions import installed


def main() -> None:
    """Write the files into the folder that `-o` names."""
    parser = argparse.ArgumentParser(prog="python -m anatomy.gallery", description=__doc__)
    parser.add_argument("-o", dest="folder", type=Path, default=Path("reports"), help="where to write")
    folder: Path = parser.parse_args().folder
    warnings.simplefilter("ignore")
    draw_published(folder)
    shutil.rmtree(folder / "models", ignore_errors=True)
    found = [make(exhibit, folder / "models", _tell) for exhibit in exhibits()]
    page = index_markdown(found, released(installed()))
    (folder / "README.md").write_text(page, encoding="utf-8")


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
