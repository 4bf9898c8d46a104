"""--peft-type, --peft and --peft-config: adapters by PEFT's own names."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from anatomy.errors import RecipeError, SourceError
from anatomy.training.peft_types import METHODS, PEFT_TYPES
from anatomy.training.recipe import Recipe

_BOOKKEEPING = (
    "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version", "revision",
    "task_type", "tokenizer_name_or_path", "token_dim", "num_attention_heads", "num_layers",
    "num_transformer_submodules",
)  # fmt: skip
"""What PEFT writes into an adapter_config.json about the model and the file, and finds out anew."""


def adapter_settings(
    peft_type: str | None, settings: Sequence[str], file: str | None, given: Mapping[str, Any], base: Recipe
) -> dict[str, Any]:
    """`given` with what the three flags say: a type where one is named, and settings of its config.

    A flag wins over the file. Raises UsageError, RecipeError, SourceError.
    """
    kind, options = (None, {}) if file is None else _from_file(file, given)
    if peft_type is not None:
        typed = peft_type.upper().replace("-", "_")
        if kind not in (None, typed):
            raise click.UsageError(
                f"--peft-type {typed} contradicts {file}, which is of the type {kind}.",
                ctx=click.get_current_context(),
            )
        kind = typed
    options |= dict(map(_pair, settings))
    found = dict(given)
    if kind is not None and METHODS[given.get("method", "peft")].peft_type != kind:
        found["peft_type"] = kind
    if options:
        kept = base.peft if kind in (None, base.adapter_type) and "method" not in given else {}
        found["peft"] = {**kept, **options}
    return found


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise click.UsageError(f"--peft {text!r} is not KEY=VALUE.", ctx=click.get_current_context())
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, {"True": True, "False": False}.get(value, value)


def _from_file(file: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type and the settings of an adapter_config.json, but for what a flag says instead."""
    data = _read(file)
    kind = data.get("peft_type")
    if not isinstance(kind, str) or kind not in PEFT_TYPES:
        raise RecipeError(
            f"{file} has the peft_type {kind!r}, which is not known.",
            hint=f"known: {', '.join(PEFT_TYPES)}",
        )
    row = PEFT_TYPES[kind]
    flags = {"r": row.r, "alpha": row.alpha, "dropout": row.dropout, "target_modules": "target_modules"}
    replaced = {field for flag, field in flags.items() if flag in given}
    settings = {
        key: value
        for key, value in data.items()
        if value is not None and value != {} and key not in _BOOKKEEPING and key not in replaced
    }
    return kind, settings


def _read(file: str) -> dict[str, Any]:
    try:
        data = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not JSON"
        raise SourceError(
            f"The adapter's config {file} cannot be read: {reason}.",
            hint="PEFT saves one as adapter_config.json",
        ) from error
    if not isinstance(data, dict):
        raise SourceError(f"{file} is not an adapter's config.", hint="PEFT saves one as adapter_config.json")
    return data
