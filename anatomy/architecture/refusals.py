"""Why a model could not be built, as a sentence that names the setting, whatever the libraries said."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from anatomy.blueprint import Blueprint
from anatomy.errors import ArchitectureError


class UnknownArchitectureError(ArchitectureError):
    """The installed transformers has no code for this model; its headers, where known, can still be counted."""


def unknown_type(blueprint: Blueprint, raw: Mapping[str, Any], known: list[str]) -> ArchitectureError:
    """The error for a model type that is not among the `known` ones."""
    model_type = raw["model_type"]
    close = difflib.get_close_matches(model_type, known, n=3, cutoff=0.6)
    counting = (
        " Its parameters can be counted from the checkpoint's headers." if blueprint.tensors is None else ""
    )
    if raw.get("auto_map"):
        message = (
            f"{blueprint.id} (model type '{model_type}') is built by code in its own repository, "
            "which is not run unless you say so."
        )
        return UnknownArchitectureError(
            message, hint=f"read that code, then add --trust-remote-code.{counting}"
        )
    return UnknownArchitectureError(
        f"The installed transformers has no model type '{model_type}' ({blueprint.id}).",
        hint=f"update transformers.{counting}{_did_you_mean(close)}",
    )


def _did_you_mean(close: list[str]) -> str:
    return f" Close names: {', '.join(close)} (--set model_type=NAME)." if close else ""


def refused(blueprint: Blueprint, what: str, raw: Mapping[str, Any], error: Exception) -> ArchitectureError:
    """The error for `raw`, a config that `what` raised `error` for."""
    if isinstance(error, ImportError):
        return ArchitectureError(
            f"{blueprint.id} needs a package that is not installed: {first_sentence(error)}",
            hint="install the package that the sentence names",
        )
    if blamed := dict(_blamed(raw, error)):
        names, value = " or ".join(blamed), next(iter(blamed.values()))
        fault = "which divides by one of its zeros" if value == 0 else f"which does not know {value!r}"
        return ArchitectureError(
            f"{blueprint.id}'s config is not valid for {what}, {fault}: {names}.",
            hint=f"override it with --set {next(iter(blamed))}=VALUE{_close_word(value)}",
        )
    return ArchitectureError(
        f"{blueprint.id}'s config is not valid for {what}: {first_sentence(error)}",
        hint="correct the value in the config, or override it with --set KEY=VALUE",
    )


def _blamed(part: Mapping[str, Any], error: Exception, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The settings that an error without a sentence is about: the word that was looked up, or the zeros divided by."""
    for key, value in part.items():
        if isinstance(value, Mapping):
            yield from _blamed(value, error, f"{prefix}{key}.")
        looked_up = isinstance(error, KeyError) and isinstance(value, str) and value in _sought(error)
        divided_by = isinstance(error, ZeroDivisionError) and type(value) is int and value == 0
        if looked_up or divided_by:
            yield f"{prefix}{key}", value


def _sought(error: KeyError) -> tuple[str, ...]:
    """The word that was looked up: the key itself, or named by transformers' get_activation."""
    said = str(error.args[0]) if error.args else ""
    return (said, *re.findall(r"^function (\S+) not found", said))


def _close_word(value: Any) -> str:
    """What may be meant by a word that a model class looked up in vain."""
    from transformers.activations import ACT2FN
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    words = sorted({"default", *ROPE_INIT_FUNCTIONS, *ACT2FN})
    close = difflib.get_close_matches(value, words, n=3) if isinstance(value, str) else []
    return f"; close words: {', '.join(close)}" if close else ""


def first_sentence(error: Exception) -> str:
    """What a library's error says first, on one line."""
    text = " ".join(str(error).split())
    if isinstance(error, KeyError | AttributeError) or not text:
        text = f"{type(error).__name__} {text}"
    return re.split(r"(?<=[a-z\])'\"])\. ", text, maxsplit=1)[0][:300].rstrip(".") + "."
