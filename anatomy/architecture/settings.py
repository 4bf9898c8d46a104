"""What a config class knows: whether a fact that was set by hand is a setting of the model at all.

transformers' config classes take any key and keep it, so a key that means nothing would change nothing in silence.
"""

import difflib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from anatomy.architecture.facts import ALIASES
from anatomy.errors import ArchitectureError

_GENERAL = frozenset({"model_type", "quantization_config", "auto_map"})
"""Keys of every config.json that the config classes do not declare."""


def drop_other_spellings(
    values: MutableMapping[str, Any], overrides: Mapping[str, Any], config_classes: Mapping[str, Any]
) -> None:
    """Leave of each fact set by hand only the spelling that was typed: GPT-2's n_layer is num_hidden_layers too.

    `config_classes`: model type -> config class.
    """
    for dotted in overrides:
        *parents, key = dotted.split(".")
        part: Any = values
        for parent in parents:
            part = part.get(parent) if isinstance(part, MutableMapping) else None
        if not isinstance(part, MutableMapping) or part.get("model_type") not in config_classes:
            continue
        aliases: Mapping[str, str] = config_classes[part["model_type"]].attribute_map
        meant = aliases.get(key, key)
        for spelling in {meant, *(alias for alias, name in aliases.items() if name == meant)} - {key}:
            part.pop(spelling, None)


def check_known(overrides: Mapping[str, Any], config: Any, model_class: Any) -> None:
    """Raise ArchitectureError when a key set by hand is no setting of the config, nor read by the model's code."""
    for dotted in overrides:
        part = config
        for segment in dotted.split(".")[:-1]:
            part = getattr(part, segment, None)
        key = dotted.rpartition(".")[2]
        # A plain mapping (rope_parameters, quantization_config) has no class that could know its keys.
        if _is_config(part) and not (_knows(part, key) or _reads(model_class, key)):
            raise _unknown(dotted, part, config)


def _is_config(part: Any) -> bool:
    return part is not None and hasattr(type(part), "attribute_map")


def _knows(config: Any, key: str) -> bool:
    """Declared, or understood: a key that the class turns into something else (rope_theta) is not kept as it is."""
    derived = isinstance(getattr(type(config), key, None), property) and not key.startswith("_")
    return derived or key in _GENERAL or key in _settings(config) or not hasattr(config, key)


def _settings(config: Any) -> frozenset[str]:
    """The names that a config's class declares, other spellings included."""
    cls = type(config)
    declared = {*inspect.signature(cls.__init__).parameters, *cls.attribute_map, *_fields(cls)}
    return frozenset(name for name in declared if name not in ("self", "kwargs", "args"))


def _fields(cls: type) -> Iterator[str]:
    try:
        yield from vars(cls())
    except Exception:  # a class that cannot be made without facts declares them in its signature
        return


def _reads(model_class: Any, key: str) -> bool:
    """Whether the model's own file asks for the key: Qwen2's attention takes a head_dim that its config lacks."""
    try:
        source = inspect.getsource(sys.modules[model_class.__module__])
    except (OSError, TypeError, KeyError):
        return False
    return re.search(rf"getattr\([\w.]*config, [\"']{re.escape(key)}[\"']", source) is not None


def _unknown(dotted: str, part: Any, config: Any) -> ArchitectureError:
    *parents, key = dotted.split(".")
    prefix = "".join(f"{parent}." for parent in parents)
    here = sorted(name for name in _settings(part) if not name.startswith("_"))
    inside = {name: getattr(config, name, None) for name in type(config).sub_configs}
    nested = [
        f"{name}.{key}" for name, inner in inside.items() if _is_config(inner) and key in _settings(inner)
    ]
    same = [name for names in ALIASES.values() if key in names for name in names if name in here]
    close = nested or [prefix + name for name in same or difflib.get_close_matches(key, here, n=3)]
    return ArchitectureError(
        f"A {part.model_type} config has no setting {dotted!r}, so it would change nothing.",
        hint=f"did you mean {' or '.join(close)}?"
        if close
        else f"its settings are those of {type(part).__name__}",
    )
