"""Facts of well-known models, shipped with the package, so that the main job needs no network.

One TOML file per family; `sources.toml` names where the parameter counts were published. Reading it imports
neither torch nor transformers.
"""

from anatomy.source.catalog.entry import CatalogEntry
from anatomy.source.catalog.reader import entries, find, lookup, names

__all__ = ["CatalogEntry", "entries", "find", "lookup", "names"]
