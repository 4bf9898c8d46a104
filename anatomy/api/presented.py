"""What a result looks like: the document that the command line makes of it, in every form. Presents `anatomy.result.Result`."""

from collections.abc import Mapping
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from anatomy.api.examined import Examined
    from anatomy.documents.document import Document
    from anatomy.result import Result

_DOCUMENTS: Mapping[str, tuple[str, str]] = {
    "Anatomy": ("anatomy.documents.show.model", "show_document"),
    "Difference": ("anatomy.documents.show.diff", "diff_document"),
    "Examined": ("anatomy.api.presented", "examined_document"),
    "Plan": ("anatomy.documents.plan.run", "plan_document"),
    "Comparison": ("anatomy.documents.compare", "compare_document"),
    "Record": ("anatomy.documents.profile.run", "profile_document"),
    "Validation": ("anatomy.documents.validate", "validate_document"),
    "OptimizerTable": ("anatomy.documents.optimizers", "optimizers_document"),
    "Models": ("anatomy.documents.catalogs", "models_document"),
    "Gpus": ("anatomy.documents.catalogs", "gpus_document"),
    "Environment": ("anatomy.documents.environment", "environment_document"),
}
"""Class of a result -> module and function that make its document. Only the one that is needed is imported."""


def document_of(result: "Result") -> "Document":
    """The document of a result; a document as it is."""
    from anatomy.documents.document import Document

    if isinstance(result, Document):
        return result
    kind = next(cls.__name__ for cls in type(result).__mro__ if cls.__name__ in _DOCUMENTS)
    module, function = _DOCUMENTS[kind]
    found: Document = getattr(import_module(module), function)(result)
    return found


def examined_document(found: "Examined") -> "Document":
    """The answers, in words and tables; where nothing was asked, the model."""
    from anatomy.documents.show.asked import asked_document
    from anatomy.documents.show.cache import cache_answer
    from anatomy.documents.show.entries import entries_answer
    from anatomy.documents.show.formats import formats_answer
    from anatomy.documents.show.model import show_document
    from anatomy.documents.show.tokenizer import tokenizer_answer

    asked = [
        *([] if found.entries is None else [entries_answer(found.entries, found.anatomy)]),
        *([] if found.formats is None else [formats_answer(found.formats)]),
        *(
            []
            if found.tokenizer is None
            else [tokenizer_answer(found.tokenizer, found.rows, found.add_tokens)]
        ),
        *([] if found.load is None else [cache_answer(found.load, found.served)]),
    ]
    return asked_document(found.anatomy, asked) if asked else show_document(found.anatomy)


def data(result: "Result") -> dict[str, Any]:
    """The content of `--json`."""
    return dict(document_of(result).data)


def frame(result: "Result") -> Any:
    """The rows of the document's flat table, without its total."""
    import pandas

    table = document_of(result).table
    names = [column.name for column in table.columns]
    return pandas.DataFrame.from_records([*table.rows], columns=names).convert_dtypes()


def markdown(result: "Result") -> str:
    """The document as Markdown."""
    from anatomy.render import render

    return render(document_of(result), "md")


def page(result: "Result") -> str:
    """The document as a page."""
    from anatomy.render import render

    return render(document_of(result), "html")


def fragment(result: "Result") -> str:
    """The document for a notebook's cell."""
    from anatomy.render.html.fragment import fragment as fragment_of

    return fragment_of(document_of(result))


def write(result: "Result", file: "str | PathLike[str]") -> "tuple[Path, ...]":
    """The document as files."""
    from anatomy.api.reported import write_report

    return write_report(document_of(result), file)
