"""What each line of the recipe's form says: the value, whether it was chosen, and what is to be said of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from anatomy.planning.plan import Plan
from anatomy.planning.settings import defaults_beside, needed
from anatomy.training.recipe import Recipe
from anatomy.tui.recipe.fields import DEVICES, GPU, Field, all_fields
from anatomy.tui.recipe.values import text_of, value_of

Mark = Literal["default", "chosen", "adapted"]
MARKS: dict[Mark, str] = {"default": " ", "chosen": "●", "adapted": "~"}
"""How a line begins; without colour it says the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the form."""

    field: Field
    value: Any
    """As the recipe has it: what a key steps from."""
    text: str
    """What is really run, where the model needs another value."""
    mark: Mark
    needs: str = ""
    """What the recipe lacks for the setting to mean anything; '' for one in use."""
    why: str = ""
    """Why a value is not the one asked for, or ''."""
    refused: str = ""
    """Why the last value was not taken, or ''."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a form is about."""

    recipe: Recipe
    chosen: Collection[str] = ()
    """Settings that someone chose."""
    gpu: str | None = None
    """The GPU asked for; None for all of the catalog."""
    plan: Plan | None = None
    """The last answer, where there is one."""
    refused: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Field -> why the last value was not taken."""


def form_rows(shown: Shown) -> tuple[Row, ...]:
    """A row for every field, in their order."""
    defaults = defaults_beside(shown.recipe)
    return tuple(_row(f, shown, defaults) for f in all_fields())


def reset_value(name: str, recipe: Recipe) -> Any:
    """The value of a setting that nobody chose, beside the other settings of a recipe."""
    value = defaults_beside(recipe)[name]
    return None if name == "alpha" else tuple(value) if isinstance(value, list) else value


def _row(f: Field, shown: Shown, defaults: Mapping[str, Any]) -> Row:
    recipe, plan = shown.recipe, shown.plan
    value = value_of(f, recipe, shown.gpu)
    settled = value if f.name in (GPU, DEVICES) else getattr(recipe, f.name)
    why = "" if plan is None or f.name in shown.chosen else plan.adapted.get(f.name, "")
    ran, text_recipe = (getattr(plan.recipe, f.name), plan.recipe) if plan and why else (settled, recipe)
    targets = () if plan is None or plan.recipe.target_modules != recipe.target_modules else plan.targets
    return Row(
        field=f,
        value=value,
        text=text_of(f, ran, text_recipe, targets if f.name == "target_modules" else ()),
        mark="adapted" if why else "chosen" if _is_chosen(f, value, shown, defaults) else "default",
        needs="" if f.name in (GPU, DEVICES) else needed(f.name, recipe),
        why=why,
        refused=shown.refused.get(f.name, ""),
    )


def _is_chosen(f: Field, value: Any, shown: Shown, defaults: Mapping[str, Any]) -> bool:
    if f.name in (GPU, DEVICES):
        return f.name == GPU and value is not None
    if f.name in shown.chosen:
        return True
    plain = list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
    return value is not None and plain != defaults[f.name]
