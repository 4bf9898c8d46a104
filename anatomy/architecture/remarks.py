"""What a reader should know about a count, in sentences, each from the facts that it is about."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from anatomy.architecture.components import OTHER_KINDS
from anatomy.architecture.facts import Facts, named_dtype, prediction_key, prediction_layers, quantization
from anatomy.architecture.stored import Stored
from anatomy.architecture.tree import ModuleNode

_PREDICTS = re.compile(r"(mtp|nextn)(_\w+)?")
"""A module of prediction layers, by its name."""
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


def prediction_note(config: Mapping[str, Any], tree: ModuleNode, class_name: str) -> tuple[str, ...]:
    """That a config names layers which predict tokens further ahead, and the class holds none: of a checkpoint whose headers
    are not known, so that nothing tells whether it stores them, and how large.

    Their size does not follow from the config: DeepSeek-V3 stores copies of embedding and head with its layer
    (arXiv:2412.19437, section 2.2), others do not.
    """
    count = prediction_layers(config)
    if not count or any(_PREDICTS.fullmatch(node.name) for node in tree.walk()):
        return ()
    layers, them = ("layer", "it") if count == 1 else ("layers", "them")
    return (
        f"The config names {count} further prediction {layers} ({prediction_key(config)}: tokens further ahead, MTP), which "
        f"{class_name} does not hold: {'it is' if count == 1 else 'they are'} in no number here. A published checkpoint that "
        f"stores {them} has more parameters than this total; how many, only its headers say.",
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
