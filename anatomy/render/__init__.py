"""How it looks: a Document -> text, one module for each format. Only the chosen one is imported."""

from importlib import import_module
from typing import Literal, get_args

from anatomy.documents.document import Document
from anatomy.render.shown import shown
from anatomy.render.style import Style

Format = Literal["table", "json", "csv", "md", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)

_MODULES: dict[Format, str] = {
    "table": "terminal",
    "json": "json",
    "csv": "csv",
    "md": "markdown",
    "html": "html",
}


def render(document: Document, format: Format, style: Style | None = None) -> str:  # noqa: A002 - the flag's name
    """The document as text that ends with a newline. `style` matters to 'table' alone."""
    style = style or Style()
    text: str = import_module(f"anatomy.render.{_MODULES[format]}").render(document, style)
    return text if format == "json" else shown(text, styles=format == "table" and style.color)
