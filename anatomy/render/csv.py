"""CSV: the document's one flat table. Values as they are, not as people read them; a header always."""

import csv
from io import StringIO

from anatomy.documents.document import Document
from anatomy.render.style import Style


def render(document: Document, style: Style) -> str:
    """RFC 4180, but with line feeds alone. A missing value is an empty field."""
    table = document.table
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows(table.rows)
    if table.total is not None:
        writer.writerow(table.total)
    return text.getvalue()
