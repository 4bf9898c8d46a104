"""HTML: one file without network, light and dark, for people with and without a mouse, a screen or scripts."""

from anatomy.render.html.page import page
from anatomy.render.style import Style
from anatomy.report.document import Document


def render(document: Document, style: Style) -> str:
    """The document as a page."""
    return page(document)
