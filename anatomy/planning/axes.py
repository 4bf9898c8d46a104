"""Axes: what a comparison varies, and the recipes of its runs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import Any, get_args

from anatomy.errors import RecipeError
from anatomy.planning.settings import make_recipe, settings_in_use
from anatomy.training.choices import Checkpointing, Precision, QuantType
from anatomy.training.peft_types import METHODS
from anatomy.training.recipe import Recipe

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "method": ("full", "lora", "qlora"),
    "optimizer": ("adamw_torch_fused", "adamw_bnb_8bit", "paged_adamw_8bit", "adafactor", "sgd"),
    "precision": ("bf16", "bf16-mixed"),
}
"""What is compared where nobody says: every weight or adapters; Adam with two states, in 8 bits, paged, then less than
two states and none; weights in bf16 or in fp32 under autocast. Other settings are compared only where asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Axes:
    """What is varied: for each setting, its values in the order in which they were named."""

    values: Mapping[str, tuple[str, ...]]
    """Setting of a recipe -> values; one value where it is not varied."""

    @property
    def varied(self) -> tuple[str, ...]:
        """The settings with several values."""
        return tuple(name for name, values in self.values.items() if len(values) > 1)

    @property
    def optimizers(self) -> tuple[str, ...]:
        """The optimizers, which share runs."""
        return self.values["optimizer"]

    def runs(self) -> Iterator[dict[str, str]]:
        """Each combination but for its optimizer; the code of a quantized base only where the base is quantized."""
        values = dict(self.values)
        del values["optimizer"]
        seen = []
        for combination in product(*values.values()):
            run = dict(zip(values, combination, strict=True))
            if not METHODS[run["method"]].quantized:
                del run["quant_type"]
            if run not in seen:
                seen.append(run)
                yield run


def choose_axes(
    asked: Mapping[str, Sequence[str] | None],
    options: Mapping[str, Any],
    base: Recipe,
    chosen: Collection[str],
) -> Axes:
    """The axes that were asked for by name of the setting; another one has the value that was chosen, else its default.

    `options`: settings given beside; `base` and `chosen`: a recipe and those of its settings that someone chose.
    Raises RecipeError for a value that a setting does not have.
    """
    values = {}
    for name in AXES:
        named = asked.get(name)
        if named is None:
            named = _unasked(name, options, base, chosen)
        elif name in options:
            raise RecipeError(
                f"{name} is given once for all runs and once to be varied.", hint="leave one of the two out"
            )
        values[name] = _checked(name, named, base)
    if asked.get("quant_type") is not None and not any(
        METHODS[method].quantized for method in values["method"]
    ):
        raise RecipeError(
            f"quant_type is varied, but none of the methods has a quantized base: {', '.join(values['method'])}.",
            hint="add qlora, or leave --quant-types out",
        )
    return Axes(values=values)


ON = "on"
"""Checkpointing of the kind that the base has, else of the usual one."""
AXES: Mapping[str, tuple[str, ...] | None] = {
    "method": tuple(METHODS),
    "quant_type": get_args(QuantType),
    "gradient_checkpointing": (*get_args(Checkpointing), ON),
    "precision": get_args(Precision),
    "optimizer": None,
}
"""The settings that can be varied -> their values; None where only the installed libraries know them."""


def _unasked(name: str, options: Mapping[str, Any], base: Recipe, chosen: Collection[str]) -> tuple[str, ...]:
    if name == "method" and name not in options and options.get("peft_type") is not None:
        return (make_recipe({"peft_type": options["peft_type"]}, base).method,)
    if name in options or name in chosen or name not in DEFAULTS:
        return (options.get(name, getattr(base, name)),)
    return DEFAULTS[name]


def _checked(name: str, values: Sequence[str], base: Recipe) -> tuple[str, ...]:
    """The values, each once; the optimizers' names are checked where they are made."""
    if isinstance(values, str):
        raise RecipeError(
            f"{name} is varied over a list of values, and {values!r} is one text.", hint=f"write [{values!r}]"
        )
    if not values:
        raise RecipeError(f"{name} has no value to compare.", hint="name one or more, with commas between")
    known = AXES[name]
    found = []
    for value in values:
        if name == "gradient_checkpointing" and value == ON:
            kind = base.gradient_checkpointing
            value = Recipe().gradient_checkpointing if kind == "off" else kind
        if known is not None and value not in known:
            close = get_close_matches(str(value), known, 3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"use one of: {', '.join(known)}"
            raise RecipeError(f"{name} {value!r} is not one of its values.", hint=hint)
        found.append(value)
    return tuple(dict.fromkeys(found))


def make_run(base: Recipe, options: Mapping[str, Any], varied: Mapping[str, str]) -> Recipe:
    """`base` with the varied settings, and with those of `options` that mean something beside them. Raises RecipeError."""
    generic = METHODS[varied["method"]].generic
    first = {**varied, **({"peft_type": options.get("peft_type")} if generic else {})}
    recipe = make_recipe(first, base)
    for _ in range(2):  # an option can mean something only beside another one
        recipe = make_recipe({**_meant(options, recipe), **first}, base)
    return recipe


def check_meant(base: Recipe, options: Mapping[str, Any], runs: Iterable[Mapping[str, str]]) -> None:
    """Raises RecipeError for an option that means nothing in any of the runs."""
    meant: set[str] = set()
    first = None
    for varied in runs:
        try:
            recipe = make_run(base, options, varied)
        except RecipeError:
            continue  # its row will say why
        first = first or varied
        meant |= _meant(options, recipe).keys()
    for name, value in options.items():
        if name not in meant and value not in (None, {}) and first is not None:
            make_recipe({**first, name: value}, base)  # says what it needs


def _meant(options: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    used = settings_in_use(recipe).keys() | ({"peft"} if recipe.uses_adapters else set())
    known = recipe.to_dict().keys()  # what does not exist at all is for `make_recipe` to refuse
    return {name: value for name, value in options.items() if name in used or name not in known}
