"""From what the user typed to a complete Recipe; and a Recipe as a file."""

import json
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.recipe import Recipe

_NEEDS: dict[str, tuple[Callable[[Recipe], bool], str]] = {
    **dict.fromkeys(
        ("r", "alpha", "dropout", "target_modules"),
        (lambda recipe: recipe.uses_adapters, "a method with adapters (lora, qlora)"),
    ),
    **dict.fromkeys(
        ("quant_type", "double_quant", "kbit_prepare"),
        (lambda recipe: recipe.quantized, "a quantized base (qlora)"),
    ),
    "load_dtype": (lambda recipe: recipe.autocast_dtype is not None, "a mixed precision"),
}
"""Setting -> the methods for which it means something."""


def make_recipe(given: Mapping[str, Any], base: Recipe | None = None) -> Recipe:
    """`base` (else the defaults) with the settings that were given by name.

    Raises RecipeError for a setting that does not exist, has an impossible value, or means nothing for the method.
    """
    known = {f.name for f in fields(Recipe)}
    for name in given:
        if name not in known:
            raise RecipeError(
                f"{name!r} is not a setting of a recipe.", hint=f"known: {', '.join(sorted(known))}"
            )
    recipe = replace(base or Recipe(), **given)
    for name, (makes_sense, what) in _NEEDS.items():
        if name in given and not makes_sense(recipe):
            raise RecipeError(
                f"{name} means nothing for method {recipe.method!r} in {recipe.precision}: it needs {what}.",
                hint=f"leave {name} out, or choose {what}",
            )
    return recipe


def complete(recipe: Recipe) -> Recipe:
    """The recipe with the number that an alpha left out stands for: twice the rank."""
    return recipe if recipe.alpha is not None else replace(recipe, alpha=2 * recipe.r)


def adapt(
    recipe: Recipe, chosen: Collection[str], *, longest: int | None, checkpoints: bool
) -> tuple[Recipe, dict[str, str]]:
    """The recipe with those defaults changed that this model cannot run; and setting -> why.

    What the user chose stays, to be refused later. `longest`: tokens that the model's table of positions takes,
    None without a table; `checkpoints`: whether its class supports gradient checkpointing.
    """
    changes: dict[str, tuple[Any, str]] = {}
    if longest is not None and recipe.seq_len > longest:
        changes["seq_len"] = longest, "the most that its position table takes"
    if not checkpoints and recipe.gradient_checkpointing != "off":
        changes["gradient_checkpointing"] = "off", "its class does not support it"
    changes = {name: change for name, change in changes.items() if name not in chosen}
    adapted = replace(recipe, **{name: value for name, (value, _) in changes.items()})
    return adapted, {name: why for name, (_, why) in changes.items()}


def settings_in_use(recipe: Recipe) -> dict[str, Any]:
    """The settings that mean something for the recipe's method, by name."""
    return {
        name: value
        for name, value in recipe.to_dict().items()
        if name not in _NEEDS or _NEEDS[name][0](recipe)
    }


def recipe_to_toml(recipe: Recipe) -> str:
    """Every setting as TOML, readable by `recipe_from_toml`. What is not set (None) stands as a comment."""
    lines = []
    for name, value in recipe.to_dict().items():
        # JSON's strings, numbers, booleans and arrays are TOML's as well.
        lines.append(f"# {name} is not set" if value is None else f"{name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def recipe_from_toml(text: str) -> Recipe:
    """The recipe that a TOML text describes; settings left out have their defaults. Raises RecipeError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(
            f"The recipe is not TOML: {error}.", hint="see `anatomy plan --print-recipe`"
        ) from None
    _check_kinds(data)
    return Recipe.from_dict(data)


def _check_kinds(data: Mapping[str, Any]) -> None:
    """Refuse a value of another kind than the default's: TOML's types are not checked by anyone else."""
    defaults = Recipe().to_dict()
    for name, value in data.items():
        kinds = _KINDS.get(name, (type(defaults.get(name)),))
        if name in defaults and (
            not isinstance(value, kinds) or isinstance(value, bool) is not (bool in kinds)
        ):
            wanted = " or ".join(_WORDS[kind] for kind in kinds)
            raise RecipeError(
                f"{name} is {value!r} in the recipe, but must be {wanted}.",
                hint="`anatomy plan --print-recipe` shows every setting with its default",
            )


_KINDS: dict[str, tuple[type, ...]] = {
    "alpha": (int,),
    "target_modules": (str, list),
    "dropout": (float, int),
    "max_grad_norm": (float, int),
}
_WORDS: dict[type, str] = {
    int: "an integer",
    float: "a number",
    str: "a string",
    bool: "true or false",
    list: "a list of names",
}
