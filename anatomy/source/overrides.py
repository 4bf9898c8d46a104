"""Facts that the user sets by hand: `--set num_hidden_layers=4`, `--set text_config.hidden_size=1024`."""

import copy
import json
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any

from anatomy.blueprint import Blueprint
from anatomy.errors import SourceError
from anatomy.source.spelling import is_slip

_SHAPELESS = re.compile(
    r"(torch_)?dtype|_?attn_implementation|use_cache|initializer_range|rope_theta|sliding_window"
    r"|hidden_act(ivation)?|activation_function|num_experts_per_tok"
    r"|\w*dropout\w*|\w+_pdrop|\w+_eps(ilon)?|\w+_token_id"
)
"""Facts that change no parameter's shape: with these overridden a checkpoint's headers still describe the model."""


def parse_override(text: str) -> tuple[str, Any]:
    """'hidden_size=1024' -> ('hidden_size', 1024). The value is JSON where it parses as JSON, else the string itself.

    Raises `SourceError` when there is no '=' or no key.
    """
    key, separator, value = text.partition("=")
    if not separator or not all(part.strip() for part in key.split(".")):
        raise SourceError(f"{text!r} does not set a fact.", "write key=value, e.g. num_hidden_layers=4")
    try:
        return key.strip(), json.loads(value)
    except (ValueError, RecursionError):
        return key.strip(), value.strip()


def check_overrides(overrides: Mapping[str, Any]) -> None:
    """Raises `SourceError` for what is no mapping: a program's slip."""
    if not isinstance(overrides, Mapping):
        raise SourceError(
            f"overrides is {overrides!r}, which is no mapping of facts to values.",
            "write {'num_hidden_layers': 4}",
        )


def apply_overrides(blueprint: Blueprint, overrides: Mapping[str, Any]) -> Blueprint:
    """The blueprint with its config changed; without tensors where they no longer describe the model.

    Raises `SourceError` when there is no config, when a nested config is not there, when a key is a slip of
    one in the config, and when text is given for a number.
    """
    if not overrides:
        return blueprint
    check_overrides(overrides)
    if blueprint.config is None:
        raise SourceError(
            f"{blueprint.id} has no config whose facts could be set: only its headers are known.",
            "name a folder that has a config.json, or leave the overrides out",
        )
    config = copy.deepcopy(dict(blueprint.config))
    changed = [key for key, value in overrides.items() if _set(config, key, value)]
    tensors, notes = blueprint.tensors, blueprint.notes
    reshaping = [key for key in changed if not _SHAPELESS.fullmatch(key.rpartition(".")[2])]
    if tensors is not None and reshaping:
        tensors = None
        said = ", ".join(reshaping)
        notes += (f"The checkpoint's headers no longer describe the model, by what was set: {said}.",)
    return replace(blueprint, config=config, tensors=tensors, notes=notes, overrides=dict(overrides))


def _set(config: MutableMapping[str, Any], dotted: str, value: Any) -> bool:
    """Put the value at its place; whether that changed anything."""
    *parents, key = dotted.split(".")
    target = config
    for depth, parent in enumerate(parents):
        _check_key(target, parent, ".".join(parents[: depth + 1]))
        if not isinstance(target.get(parent), dict):
            nested = [name for name, inner in target.items() if isinstance(inner, dict)]
            hint = f"nested configs here: {', '.join(nested) or 'none, so write the key alone'}"
            raise SourceError(f"{dotted!r} cannot be set: the config has no nested {parent!r}.", hint)
        target = target[parent]
    _check_key(target, key, dotted)
    _check_kind(dotted, target.get(key), value)
    if key in target and target[key] == value and type(target[key]) is type(value):
        return False
    target[key] = value
    return True


def _check_key(target: Mapping[str, Any], key: str, dotted: str) -> None:
    """Refuse a key that is not there and almost certainly means one that is; other keys the model's class decides."""
    if key in target:
        return
    prefix = dotted.removesuffix(key)
    meant = [prefix + name for name in target if is_slip(key, name)]
    if meant:
        raise SourceError(f"{dotted!r} is not in the config.", f"did you mean {' or '.join(meant)}?")


def _check_kind(dotted: str, old: Any, new: Any) -> None:
    """Refuse text for a number: what does not parse as JSON arrives as a string."""
    if isinstance(old, int | float) and isinstance(new, str):
        kind = "true or false" if isinstance(old, bool) else "a number"
        raise SourceError(
            f"{dotted!r} is {kind} in the config ({old}), not {new!r}.", f"write {dotted}=VALUE, {kind}"
        )
