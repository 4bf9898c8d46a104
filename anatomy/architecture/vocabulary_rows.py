"""The rows of a model's embedding beside its tokenizer's tokens, and what more tokens cost."""

from dataclasses import dataclass
from typing import Any

from anatomy.architecture.anatomy import Anatomy


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Embedding and head, for a vocabulary of a given size."""

    rows: int
    """Rows of the embedding."""
    used: int
    """Rows that the tokenizer's ids reach."""
    width: int
    """Numbers in a row of both: of the embedding, and of a head of its own."""
    tables: int
    """Tables that have such rows: 1 where the head is the embedding, else 2."""

    @property
    def beyond(self) -> int:
        """Rows that no token uses; negative where the tokenizer has ids without a row."""
        return self.rows - self.used

    def missing(self, tokens: int) -> int:
        """Rows to add for so many more tokens: none while spare ones last."""
        return max(0, tokens - self.beyond)

    def to_dict(self, add: int | None) -> dict[str, Any]:
        """Plain values, for JSON."""
        rows = {"embedding_rows": self.rows, "rows_beyond": self.beyond}
        if add is None:
            return rows
        missing = self.missing(add)
        return {
            **rows,
            "added_tokens": add,
            "added_rows": missing,
            "added_parameters": missing * self.width,
            "trainable_rows": add * self.width,
            "trainable_tables": (self.rows + missing) * self.width,
        }


def rows_of(anatomy: Anatomy, highest_id: int) -> Rows | None:
    """The rows of the largest embedding and of the head; None where the model has no table of tokens."""
    facts = anatomy.facts
    components = anatomy.by_component
    if not facts.vocabulary or not facts.hidden_size or not components.get("embedding"):
        return None
    tables = 1 if facts.tied or not components.get("head") else 2
    return Rows(rows=facts.vocabulary, used=highest_id + 1, width=facts.hidden_size * tables, tables=tables)
