"""A page, read back: what is balanced, what has an id, which tables it has and what their cells are worth."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "input", "br", "link", "img", "hr"})


@dataclass
class Row:
    """A row: the texts of its cells, and the whole numbers behind those that have one."""

    texts: list[str] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    classes: str = ""


@dataclass
class ReadTable:
    """A table as it stands in a page."""

    caption: str = ""
    heads: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    total: Row | None = None

    def column(self, head: str) -> list[float | None]:
        """The values of a column."""
        at = self.heads.index(head)
        return [row.values[at] for row in self.rows]

    def texts(self, head: str) -> list[str]:
        """The texts of a column."""
        at = self.heads.index(head)
        return [row.texts[at] for row in self.rows]


class Page(HTMLParser):
    """Fails on markup that is not balanced."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[ReadTable] = []
        self.text: list[str] = []
        self._at: list[str] | None = None
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice: {attrs}"
        self.elements.append((tag, given))
        if tag not in VOID:
            self.open.append((tag, given))
        if tag == "table":
            self.tables.append(ReadTable())
        if tag == "tr" and self._inside("tbody", "tfoot"):
            row = Row(classes=given.get("class") or "")
            if self._inside("tfoot"):
                self.tables[-1].total = row
            else:
                self.tables[-1].rows.append(row)
        if tag in ("th", "td") and (row := self._row()) is not None:
            row.texts.append("")
            value = given.get("data-value")
            row.values.append(
                None if value is None else float(value) if "." in value or "e" in value else int(value)
            )
        elif tag in ("th", "td"):
            self.tables[-1].heads.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1][0] == tag, f"</{tag}> closes {self.open[-1][0]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self._inside("style", "script"):
            return
        self.text.append(data)
        if self._inside("caption"):
            self.tables[-1].caption += data
        elif self._inside("th", "td") and (row := self._row()) is not None:
            row.texts[-1] += data
        elif self._inside("th", "td"):
            self.tables[-1].heads[-1] += data

    def named(self, caption: str) -> ReadTable:
        """The table of that caption."""
        (found,) = [table for table in self.tables if table.caption == caption]
        return found

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a kind."""
        return [given for name, given in self.elements if name == tag]

    def _inside(self, *tags: str) -> bool:
        return any(name in tags for name, _ in self.open)

    def _row(self) -> Row | None:
        table = self.tables[-1] if self.tables else None
        if table is None or not self._inside("tr"):
            return None
        if self._inside("tfoot"):
            return table.total
        return table.rows[-1] if self._inside("tbody") else None
