"""Facts that the user sets by hand: `--set num_hidden_layers=4`, `--set text_config.hidden_size=1024`."""

import copy
import json
import re
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import replace
from typing import Any

from anatomy.blueprint import Blueprint
from anatomy.errors import SourceError

_SHAPELESS = frozenset(
    {
        *(
            "dtype",
            "torch_dtype",
            "use_cache",
            "attn_implementation",
            "_attn_implementation",
            "initializer_range",
        ),
        *(
            "attention_dropout",
            "hidden_dropout",
            "hidden_dropout_prob",
            "attention_probs_dropout_prob",
            "dropout",
        ),
        *(
            "attn_pdrop",
            "embd_pdrop",
            "resid_pdrop",
            "activation_dropout",
            "classifier_dropout",
            "embd_pdrop",
        ),
        *("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "rope_theta", "sliding_window"),
        *(
            "hidden_act",
            "hidden_activation",
            "activation_function",
            "router_aux_loss_coef",
            "num_experts_per_tok",
        ),
        *("bos_token_id", "eos_token_id", "pad_token_id"),
    }
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


def apply_overrides(blueprint: Blueprint, overrides: Mapping[str, Any]) -> Blueprint:
    """The blueprint with its config changed; without tensors where they no longer describe the model.

    Raises `SourceError` when there is no config, when a nested config is not there, when a key is a slip of
    one in the config, and when text is given for a number.
    """
    if not overrides:
        return blueprint
    if blueprint.config is None:
        raise SourceError(
            f"{blueprint.id} has no config whose facts could be set: only its headers are known.",
            "name a folder that has a config.json, or leave the overrides out",
        )
    config = copy.deepcopy(dict(blueprint.config))
    changed = [key for key, value in overrides.items() if _set(config, key, value)]
    tensors, notes = blueprint.tensors, blueprint.notes
    notes += tuple(_unlisted_note(key) for key in changed if not _is_listed(blueprint.config, key))
    if tensors is not None and (
        reshaping := [key for key in changed if key.rpartition(".")[2] not in _SHAPELESS]
    ):
        tensors = None
        notes += (
            f"the checkpoint's headers no longer describe the model once {', '.join(reshaping)} is set by hand",
        )
    return replace(blueprint, config=config, tensors=tensors, notes=notes, overrides=dict(overrides))


def _set(config: MutableMapping[str, Any], dotted: str, value: Any) -> bool:
    """Put the value at its place; whether that changed anything."""
    *parents, key = dotted.split(".")
    target = config
    for depth, parent in enumerate(parents):
        _check_key(config, target, parent, ".".join(parents[: depth + 1]))
        if not isinstance(target.get(parent), dict):
            nested = [name for name, inner in target.items() if isinstance(inner, dict)]
            hint = (
                f"nested configs here: {', '.join(nested)}"
                if nested
                else "this config has none: write the key alone"
            )
            raise SourceError(f"{dotted!r} cannot be set: the config has no nested {parent!r}.", hint)
        target = target[parent]
    _check_key(config, target, key, dotted)
    _check_kind(dotted, target.get(key), value)
    if key in target and target[key] == value and type(target[key]) is type(value):
        return False
    target[key] = value
    return True


def _check_key(config: Mapping[str, Any], target: Mapping[str, Any], key: str, dotted: str) -> None:
    """Refuse a key that is not there and almost certainly means one that is; models ignore unknown keys silently."""
    if key in target:
        return
    meant = [name for name in target if _is_slip(key, name)]
    prefix = dotted.removesuffix(key)
    candidates = [prefix + name for name in meant] or [
        path for path in _paths(config) if path.endswith(f".{key}")
    ]
    if candidates:
        raise SourceError(f"{dotted!r} is not in the config.", f"did you mean {' or '.join(candidates)}?")


def _check_kind(dotted: str, old: Any, new: Any) -> None:
    """Refuse text for a number: what does not parse as JSON arrives as a string."""
    if isinstance(old, int | float) and isinstance(new, str):
        kind = "true or false" if isinstance(old, bool) else "a number"
        raise SourceError(
            f"{dotted!r} is {kind} in the config ({old}), not {new!r}.", f"write {dotted}=VALUE, {kind}"
        )


def _is_slip(typed: str, name: str) -> bool:
    """Whether two keys differ by separators and case alone, or by one slip of the finger in one longer word.

    A slip is one letter too many, too few or wrong, or two exchanged: num_hiden_layers, but not encoder_layers
    for decoder_layers, nor q_rank for k_rank, nor bos_token_id for eos_token_id, which are keys of their own.
    """
    if re.sub(r"[\W_]", "", typed).lower() == re.sub(r"[\W_]", "", name).lower():
        return True
    differing = [(a, b) for a, b in zip(typed.split("_"), name.split("_"), strict=False) if a != b]
    if typed.count("_") != name.count("_") or len(differing) != 1:
        return False
    a, b = differing[0]
    return max(len(a), len(b)) >= 4 and _is_one_letter_off(a, b)


def _is_one_letter_off(a: str, b: str) -> bool:
    """Whether two different words agree but for one letter added, dropped or replaced, or two exchanged."""
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[start:], b[start:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _paths(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every key of the nested configs, dotted."""
    for key, value in config.items():
        if prefix:
            yield prefix + key
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{key}.")


def _is_listed(config: Mapping[str, Any], dotted: str) -> bool:
    *parents, key = dotted.split(".")
    for parent in parents:
        config = config[parent]
    return key in config


def _unlisted_note(key: str) -> str:
    return f"{key} is set by hand but not listed in the config: it counts only if the model's class knows it"
