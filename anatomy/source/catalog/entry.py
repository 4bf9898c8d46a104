"""CatalogEntry: one well-known model, as the catalog's files describe it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COMPUTED_BY = "computed by building the model from these facts; no exact published figure"


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogEntry:
    """One model: its config and how many parameters it is known to hold."""

    id: str
    """Repository id on the Hugging Face Hub, or 'gpt3/175b' and the like for an architecture known from a paper."""
    config: Mapping[str, Any]
    """model_type, architectures, dtype, and the facts that differ from the defaults of transformers' config class."""
    parameters: int | None = None
    """Parameters that the model holds once its checkpoint is loaded, tied weights once; None when not known.

    Where the class, built from the config alone, holds another number, `note` gives both and says why.
    """
    source: str = COMPUTED_BY
    """Where `published` (or `parameters`, when they agree) was published."""
    computed: bool = False
    """True when no source states the count, and it was found by building the model."""
    published: int | None = None
    """The source's integer, where it counts something else than the parameters held."""
    beside: Mapping[str, int] = field(default_factory=dict)
    """What `published` counts beside the parameters held, by name; negative for what it leaves out."""
    aliases: tuple[str, ...] = ()
    """Other ids of the same facts: former names, mirrors, variants that differ in their weights only."""
    note: str = ""
    """What a reader of the count or of the config should know."""
