"""A field's values: as text, from text, and the next one when a key steps through them."""

import re
import tomllib
from collections.abc import Collection, Mapping
from typing import Any

from anatomy.documents.plan.run import setting_text
from anatomy.errors import RecipeError
from anatomy.planning.settings import to_toml
from anatomy.training.recipe import Recipe
from anatomy.tui.recipe.fields import DEVICES, GPU, Field, unset_text

SEVERAL = "A run on several GPUs is not modelled: every answer is of a run on one."
MOST = 2**31
"""No integer of a recipe is doubled beyond it."""
_PATTERN = re.compile(r"[\\*^$+?|()\[\]{}]")
"""What a regular expression has and no module's name."""


def value_of(field: Field, recipe: Recipe, gpu: str | None) -> Any:
    """The value that a field shows."""
    return gpu if field.name == GPU else 1 if field.name == DEVICES else getattr(recipe, field.name)


def text_of(field: Field, value: Any, recipe: Recipe, targets: Collection[str] = ()) -> str:
    """A value in one line. `targets`: names of the modules that got adapters, where they are known."""
    if field.name == "alpha":
        return setting_text("alpha", 2 * recipe.r if value is None else value, recipe)
    if field.name in ("load_dtype", "target_modules") and (value is None or targets):
        return setting_text(field.name, list(value) if isinstance(value, tuple) else value, recipe, targets)
    for option in field.options:
        if option.value == value:
            return option.text
    if value is None or value in ((), {}):
        return unset_text(field.name)
    if field.kind == "size":
        return "x".join(str(side) for side in value)
    if field.kind == "table":
        return _pairs(value)
    if field.kind == "names" and not isinstance(value, str):
        return ", ".join(value)
    if field.kind == "integer":
        return f"{value:,}"
    return setting_text(field.name, value, recipe, targets)


def typed_text(field: Field, value: Any) -> str:
    """A value as one would type it; '' for one that is not set."""
    if value is None:
        return ""
    if field.kind == "table":
        return _pairs(value)
    if field.kind in ("size", "names") and not isinstance(value, str):
        return ("x" if field.kind == "size" else ",").join(str(part) for part in value)
    return str(value)


def parsed(field: Field, text: str) -> Any:
    """The value that was typed; None, which is the default, for nothing. Raises RecipeError for what is no such value."""
    text = text.strip()
    return None if not text else _PARSERS[field.kind](field, text)


def stepped(field: Field, value: Any, up: bool) -> Any:
    """The value after (or before) this one: the next option, round the end; twice an integer, or half of it.

    The value itself where there is none.
    """
    if field.kind in ("choice", "names"):
        values = [option.value for option in field.options]
        if not values:
            return value
        at = values.index(value) if value in values else (-1 if up else 0)
        return values[(at + (1 if up else -1)) % len(values)]
    if field.kind != "integer" or value is None:
        return value
    return min(MOST, 2 * value or 1) if up else max(field.least, value // 2)


def steps(field: Field, value: Any) -> bool:
    """Whether a key can step through the values."""
    return len(field.options) > 1 or (field.kind == "integer" and value is not None)


def _choice(field: Field, text: str) -> Any:
    for option in field.options:
        if text == option.text or text == str(option.value):
            return option.value
    raise RecipeError(f"{text!r} is none of the values of {field.label}.", setting=field.name)


def _integer(field: Field, text: str) -> int:
    digits = re.sub(r"[,_\s]", "", text)
    if re.fullmatch(r"-?\d{1,18}", digits) is None:
        raise RecipeError(f"{field.label} is a whole number, which {text!r} is not.", setting=field.name)
    return int(digits)


def _number(field: Field, text: str) -> float:
    if re.fullmatch(r"-?(\d+\.?\d*|\.\d+)(e-?\d{1,2})?", text, re.IGNORECASE) is None:
        raise RecipeError(f"{field.label} is a number, which {text!r} is not.", setting=field.name)
    return float(text)


def _names(field: Field, text: str) -> str | tuple[str, ...]:
    """A keyword, a regular expression where a name cannot be, else names with commas."""
    if any(text == option.value for option in field.options):
        return text
    if _PATTERN.search(text) and field.options:
        try:
            re.compile(text)
        except re.error as error:
            raise RecipeError(f"{text!r} is not a regular expression: {error}.", setting=field.name) from None
        return text
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _size(field: Field, text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})(?:\s*[x×,]\s*(\d{1,5}))?", text)
    if found is None:
        raise RecipeError(
            f"{text!r} is no size: write a height and a width in pixels, e.g. 448x672.", setting=field.name
        )
    return int(found[1]), int(found[2] or found[1])


def _table(field: Field, text: str) -> dict[str, Any]:
    try:
        return dict(tomllib.loads(f"found = {{ {text} }}")["found"])
    except tomllib.TOMLDecodeError:
        raise RecipeError(
            f"{text!r} are no settings: write key = value, e.g. use_rslora = true.", setting=field.name
        ) from None


def _pairs(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {to_toml(item)}" for key, item in value.items())


_PARSERS: Mapping[str, Any] = {
    "choice": _choice,
    "integer": _integer,
    "number": _number,
    "text": lambda field, text: text,
    "names": _names,
    "size": _size,
    "table": _table,
}
