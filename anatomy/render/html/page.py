"""The page around the sections: one file that asks nothing of any network, and tells the browser so."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from anatomy.documents.document import Document, Section
from anatomy.documents.sections import by_title
from anatomy.render.html.blocks import Writer
from anatomy.render.html.markup import Markup, element, joined
from anatomy.render.html.placed import Placed

SCRIPTS = ("page", "tables", "timeline", "icicle")
"""What makes the page move, in this order; without them everything can still be read."""


def page(document: Document) -> str:
    """The whole file, in ASCII: characters beyond are written as references, so that no encoding can spoil them."""
    document = by_title(document)
    sections = [block for block in document.blocks if isinstance(block, Section)]
    placed = Placed()
    main = element("main", list(Writer(placed).sections(sections)), id="report", tabindex=-1)
    style = Markup(f"{_asset('report.css')}\n{placed.css}")
    script = Markup("\n".join(_asset(f"{name}.js") for name in SCRIPTS))
    body = element(
        "body",
        element("a", "Skip to the report", href="#report", class_="skip"),
        element("header", element("h1", document.title), class_="top"),
        element("nav", _contents(sections), aria_label="Contents", class_="contents"),
        main,
        element("script", script),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", document.title),
        element("style", style),
    )
    text = joined(("\n", Markup(element("html", head, body, lang="en")), "\n"))
    return "<!DOCTYPE html>" + text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _contents(sections: list[Section]) -> Markup:
    links = (element("li", element("a", section.title, href=f"#{section.name}")) for section in sections)
    return element("ol", *links)


def _policy(style: str, script: str) -> str:
    """Nothing may be fetched, and nothing runs but what is in this file."""
    return f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    text = (files("anatomy.render.html") / "assets" / name).read_text(encoding="ascii")
    return text.strip()
