"""HTML: one file without network, light and dark, for people with and without a mouse, a screen or scripts."""

from anatomy.documents.document import Document
from anatomy.render.html.page import page
from anatomy.render.style import Style


def render(document: Document, style: Style) -> str:
    """The document as a page."""
    return page(document)
