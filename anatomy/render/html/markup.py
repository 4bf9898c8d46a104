"""HTML that is escaped by construction: text is text, and only `element` makes markup.

Small functions instead of a template language: a template has to be told to escape, and knows nothing of types.
"""

from collections.abc import Iterable
from html import escape

from anatomy.render.shown import shown

VOID = frozenset({"meta", "br", "input", "link", "rect", "path", "line", "circle"})
"""Elements without content; those of SVG among them are closed at once."""
_SVG = frozenset({"rect", "path", "line", "circle"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Content = str | Iterable["Content"] | None


def element(tag: str, *content: Content, **attributes: str | int | float | bool | None) -> Markup:
    """An element. Attributes are named as in HTML, '_' for '-' and a last one dropped ('class_'); False and None leave one out.

    Content that is no `Markup` is escaped.
    """
    given = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in VOID:
        return Markup(f"<{tag}{given}{'/' if tag in _SVG else ''}>")
    return Markup(f"<{tag}{given}>{joined(content)}</{tag}>")


def joined(content: Content) -> Markup:
    """Content after content, escaped where it is not markup."""
    if content is None:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return Markup(escape(shown(content), quote=False))
    return Markup("".join(map(joined, content)))


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    if name in ("viewbox", "preserveaspectratio"):
        name = {"viewbox": "viewBox", "preserveaspectratio": "preserveAspectRatio"}[name]
    return f" {name}" if value is True else f' {name}="{escape(shown(str(value)))}"'
