"""JSON: the document's data as it is, integers unrounded. ASCII, so that every stream can carry it."""

import json

from anatomy.documents.document import Document
from anatomy.render.style import Style


def render(document: Document, style: Style) -> str:
    """The contract of `--json`."""
    return json.dumps(document.data, indent=2) + "\n"
