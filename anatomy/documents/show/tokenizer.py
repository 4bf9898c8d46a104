"""What `anatomy show --tokenizer` says."""

from collections.abc import Iterator

from anatomy.architecture.vocabulary_rows import Rows
from anatomy.documents.document import Column, Facts, Table
from anatomy.documents.show.asked import Asked
from anatomy.source.tokenizer import Tokenizer
from anatomy.units import format_bytes

_SHOWN = 12
"""Special tokens that are listed."""


def tokenizer_answer(found: Tokenizer, rows: Rows | None, add: int | None = None) -> Asked:
    """The answer to --tokenizer; with `add`, what so many more tokens cost."""
    items = tuple(_facts(found, rows, add))
    return Asked(
        key="tokenizer",
        blocks=(Facts(title="Tokenizer", items=items),),
        table=Table(
            columns=(Column(name="name", title="name"), Column(name="value", title="value")), rows=items
        ),
        data={**found.to_dict(), **({} if rows is None else rows.to_dict(add))},
    )


def _facts(found: Tokenizer, rows: Rows | None, add: int | None) -> Iterator[tuple[str, str]]:
    known = found.vocabulary
    if found.kind or known:
        yield "kind", ", ".join(filter(None, (found.kind, known.kind if known else "")))
    if known is None:
        yield "vocabulary", "not known: there is no tokenizer.json"
    else:
        yield "vocabulary", f"{known.size:,} tokens, ids up to {known.highest:,}"
        more = f" and {len(known.special) - _SHOWN:,} more" if len(known.special) > _SHOWN else ""
        listed = ", ".join(known.special[:_SHOWN])
        yield "special tokens", f"{len(known.special):,}: {listed}{more}" if known.special else "none"
    for name, token in (found.named or {}).items():
        yield name.replace("_", " "), token
    yield "chat template", "yes" if found.chat_template else "no"
    if found.longest:
        yield "longest input", f"{found.longest:,} tokens"
    if rows is not None:
        yield "embedding rows", f"{rows.rows:,}, {_beyond(rows)}"
        if add is not None:
            yield from _cost(rows, add)


def _beyond(rows: Rows) -> str:
    if rows.beyond < 0:
        return f"{-rows.beyond:,} fewer than the tokenizer has ids"
    return (
        f"{rows.beyond:,} of them beyond the tokenizer's ids" if rows.beyond else "as many as there are ids"
    )


def _cost(rows: Rows, add: int) -> Iterator[tuple[str, str]]:
    missing = rows.missing(add)
    tables = "the embedding, which is the head too" if rows.tables == 1 else "embedding and head"
    new = missing * rows.width
    yield (
        f"{add:,} more tokens",
        f"{missing:,} more rows of {tables}: {new:,} parameters, {format_bytes(2 * new)} in 16 bits"
        if missing
        else "no more rows: spare ones suffice",
    )
    only, whole = add * rows.width, (rows.rows + missing) * rows.width
    yield (
        "to train them",
        f"{only:,} parameters (PEFT's trainable_token_indices), or {whole:,} as whole tables (modules_to_save)",
    )
