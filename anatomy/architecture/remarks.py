"""What a reader should know about a count, in sentences, each from the facts that it is about."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from anatomy.architecture.components import OTHER_KINDS
from anatomy.architecture.facts import Facts, named_dtype, quantization
from anatomy.architecture.stored import Stored
from anatomy.architecture.tree import ModuleNode

_SHOWN = 10
"""Groups of parameters named in a sentence."""


def surplus_note(stored: Stored | None, facts: Facts) -> tuple[str, ...]:
    """A warning when the checkpoint holds more layers of the model's own kind than the config counts."""
    if stored is None or not stored.surplus:
        return ()
    first, last, count = stored.surplus[0], stored.surplus[-1], len(stored.surplus)
    which = first if count == 1 else f"{first} to {last}"
    return (
        f"WARNING: the config contradicts the checkpoint. It counts {facts.layers} layers, but {count} more of the "
        f"same kind are stored ({which}); they are in 'stored' and in no other number here. Correct the config's "
        "number of layers, or get the config that belongs to this checkpoint.",
    )


def dtype_note(config: Mapping[str, Any], headers: bool) -> tuple[str, ...]:
    """What the counts are of where a checkpoint is quantized, and what only its headers could tell."""
    unknown = "in which dtypes it is stored is not known without its headers"
    if how := quantization(config):
        end = "" if headers else f"; {unknown}"
        return (
            f"The checkpoint is stored quantized ({how}): the counts are of the parameters that it stands for, "
            f"not of packed elements{end}.",
        )
    if headers or named_dtype(config):
        return ()
    return (f"The config names no dtype for its checkpoint: {unknown}.",)


def other_note(tree: ModuleNode, unclassified: tuple[str, ...]) -> tuple[str, ...]:
    """What is counted as 'other' on purpose; what no rule knew is listed elsewhere."""
    groups: Counter[str] = Counter()
    for node in tree.walk():
        for own in node.own:
            path = f"{node.path}.{own.name}".lstrip(".")
            count = sum(n for component, n in own.parts if component == "other")
            if count and path not in unclassified:
                groups[re.sub(r"\.\d+(?=\.|$)", ".*", path)] += count
    if not groups:
        return ()
    named = ", ".join(f"{path} ({count})" for path, count in groups.most_common(_SHOWN))
    more = f" and {len(groups) - _SHOWN} more groups" if len(groups) > _SHOWN else ""
    return (f"'other' counts {OTHER_KINDS}: {named}{more}.",)
