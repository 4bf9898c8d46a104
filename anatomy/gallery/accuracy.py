"""Pictures of published runs, predicted beside measured: one for each page that has their numbers."""

import json
from pathlib import Path

from anatomy.documents.charts_of import published_accuracy
from anatomy.plots import picture

TITLES = {
    "published": "Published runs",
    "published_versions": "Published runs, with the versions that were measured",
}
"""Name of a page -> title of its picture."""


def draw_published(folder: Path) -> None:
    """NAME.svg for every NAME.json of `TITLES` in `folder`, which `anatomy.validation.published` writes."""
    for name, title in TITLES.items():
        study = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        (folder / f"{name}.svg").write_bytes(picture(published_accuracy(study, title), "svg"))
