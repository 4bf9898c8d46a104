"""From what the user typed to a complete Recipe; and a Recipe as a file."""

import json
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.optimizers.kinds import kind_of
from anatomy.training.peft_types import METHODS, own_defaults
from anatomy.training.recipe import Recipe
from anatomy.training.recipe_checks import no_setting
from anatomy.training.value_kinds import wrong_kinds

Test = Callable[[Recipe], bool]


def _maps(name: str) -> Test:
    """Whether a setting has a field in the adapters' config, and is not set there by its own name."""

    def test(recipe: Recipe) -> bool:
        field = None if recipe.adapter is None else getattr(recipe.adapter, name)
        return field is not None and field not in recipe.peft

    return test


def _is_set(name: str) -> Test:
    return lambda recipe: getattr(recipe, name) is not None


def _has_targets(recipe: Recipe) -> bool:
    chooses = recipe.adapter is not None and recipe.adapter.targets is not None
    return chooses and "target_modules" not in recipe.peft


_NEEDS: dict[str, tuple[Test, str]] = {
    "r": (_maps("r"), "adapters with a rank (lora, qlora)"),
    "alpha": (_maps("alpha"), "adapters with a scaling numerator (lora, qlora)"),
    "dropout": (_maps("dropout"), "adapters with a dropout (lora, qlora)"),
    "target_modules": (_has_targets, "adapters in modules (lora, qlora)"),
    "peft": (lambda recipe: recipe.uses_adapters, "a method with adapters (lora, qlora)"),
    "peft_type": (lambda recipe: METHODS[recipe.method].generic, "method peft or qpeft"),
    **dict.fromkeys(
        ("quant_type", "quant_skip", "kbit_prepare"),
        (lambda recipe: recipe.quantized, "a quantized base (qlora)"),
    ),
    **dict.fromkeys(
        ("double_quant", "quant_block_size", "quant_storage"),
        (lambda recipe: recipe.quantized and recipe.quant_bits == 4, "a 4-bit base (qlora, nf4 or fp4)"),
    ),
    "dequantize": (lambda recipe: recipe.dequantize is not None, "a checkpoint that is quantized"),
    "adapter_dtype": (lambda recipe: recipe.uses_adapters, "a method with adapters (lora, qlora)"),
    "bottleneck": (lambda recipe: recipe.method in ("houlsby", "pfeiffer"), "method houlsby or pfeiffer"),
    **dict.fromkeys(("last_n", "train_head"), (lambda recipe: recipe.method == "last-n", "method last-n")),
    **dict.fromkeys(
        ("checkpoint_every", "checkpoint_offload"),
        (lambda recipe: recipe.gradient_checkpointing != "off", "gradient checkpointing"),
    ),
    **{
        name: (_is_set(name), "a model that takes images or sound")
        for name in ("images", "image_size", "audio_seconds")
    },
    "dpo_reference": (lambda recipe: recipe.objective == "dpo", "objective dpo"),
    **dict.fromkeys(
        ("eval_batch_size", "eval_keep_logits"),
        (lambda recipe: recipe.eval_batches > 0, "an evaluation (--eval-batches 100)"),
    ),
    "eval_accumulation_steps": (
        lambda recipe: recipe.eval_batches > 0 and recipe.eval_accumulation_steps is not None,
        "an evaluation (--eval-batches 100)",
    ),
    "load_dtype": (lambda recipe: recipe.autocast_dtype is not None, "a mixed precision"),
    "optim_args": (
        lambda recipe: recipe.optim_args is not None and bool(kind_of(recipe.optimizer).reads),
        "an optimizer that takes settings (galore_adamw, sgd)",
    ),
    "optim_target_modules": (
        lambda recipe: kind_of(recipe.optimizer).low_rank,
        "an optimizer that projects gradients (galore_adamw, apollo_adamw)",
    ),
}
"""Setting -> the recipes for which it means something."""


def make_recipe(given: Mapping[str, Any], base: Recipe | None = None) -> Recipe:
    """`base` (else the defaults) with the settings that were given by name.

    A PEFT type without a method means method 'peft'; what is neither given nor changed in `base` is the method's
    own default. Raises RecipeError for a setting that does not exist, has an impossible value, or means nothing for
    the method.
    """
    known = [f.name for f in fields(Recipe)]
    for name in given:
        if name not in known:
            raise no_setting(name, known)
    base = base or Recipe()
    if given.get("peft_type") is not None and "method" not in given and not METHODS[base.method].generic:
        given = {**given, "method": "qpeft" if base.quantized else "peft"}
    recipe = replace(base, **{**_following(given, base), **given})
    for name, (makes_sense, what) in _NEEDS.items():
        if name in given and given[name] not in (None, {}) and not makes_sense(recipe):
            raise RecipeError(
                f"{name} means nothing for {_subject(name, recipe)}: it needs {what}.",
                hint=f"leave {name} out, or choose {what}",
            )
    return recipe


def _subject(name: str, recipe: Recipe) -> str:
    if name.startswith("optim_"):
        return f"optimizer {recipe.optimizer!r}"
    return f"method {recipe.method!r}{f' in {recipe.precision}' if name == 'load_dtype' else ''}"


def _following(given: Mapping[str, Any], base: Recipe) -> dict[str, Any]:
    """What changes in `base` with what is given: with the method its defaults, and settings of another type's config."""
    unmixed = given.get("precision") in ("fp32", "bf16", "fp16")
    with_it: dict[str, Any] = {"load_dtype": None} if unmixed else {}
    if given.get("padding_free"):
        with_it["padded"] = False
    if not given.keys() & {"method", "peft_type"}:
        return with_it
    method = given.get("method", base.method)
    kind = given.get("peft_type", base.peft_type) if METHODS.get(method, METHODS["full"]).generic else None
    before, after = own_defaults(base.method, base.peft_type), own_defaults(method, kind)
    changed: dict[str, Any] = {"peft_type": kind, **with_it}
    for name, usual in _USUAL.items():
        if getattr(base, name) == before.get(name, usual):
            changed[name] = after.get(name, usual)
    if (kind or METHODS.get(method, METHODS["full"]).peft_type) != base.adapter_type:
        changed["peft"] = {}
    return changed


_USUAL = {"r": Recipe().r, "target_modules": Recipe().target_modules}


def defaults_beside(recipe: Recipe) -> dict[str, Any]:
    """Every setting's default beside the rank, method and type of adapters that `recipe` has."""
    own = own_defaults(recipe.method, recipe.peft_type)
    usual = {**complete(Recipe(r=recipe.r)).to_dict(), "r": Recipe().r}
    return {**usual, **own}


def complete(recipe: Recipe) -> Recipe:
    """The recipe with the number that an alpha left out stands for: twice the rank."""
    return recipe if recipe.alpha is not None else replace(recipe, alpha=2 * recipe.r)


def adapt(
    recipe: Recipe,
    chosen: Collection[str],
    *,
    longest: int | None,
    checkpoints: bool,
    unfit: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Recipe, dict[str, str]]:
    """The recipe with those defaults changed that this model cannot run; and setting -> why.

    What the user chose stays, to be refused later. `longest`: tokens that the model's table of positions takes,
    None without a table; `checkpoints`: whether its class supports gradient checkpointing; `unfit`: names of linear layers
    that take no adapter -> why.
    """
    changes: dict[str, tuple[Any, str]] = {}
    if longest is not None and recipe.virtual_tokens < longest < recipe.seq_len + recipe.virtual_tokens:
        beside = f" beside {recipe.virtual_tokens} virtual tokens" if recipe.virtual_tokens else ""
        changes["seq_len"] = (
            longest - recipe.virtual_tokens,
            f"the most that its position table takes{beside}",
        )
    if not checkpoints and recipe.gradient_checkpointing != "off":
        changes["gradient_checkpointing"] = "off", "its class does not support it"
    if unfit:
        changes["peft"] = {**recipe.peft, "exclude_modules": [*unfit]}, "; ".join(unfit.values())
    if recipe.optimizer_in_backward and recipe.max_grad_norm > 0:
        changes["max_grad_norm"] = 0.0, "an optimizer in backward leaves no gradients to clip"
    changes = {name: change for name, change in changes.items() if name not in chosen}
    adapted = replace(recipe, **{name: value for name, (value, _) in changes.items()})
    return adapted, {name: why for name, (_, why) in changes.items()}


def settings_in_use(recipe: Recipe) -> dict[str, Any]:
    """The settings that mean something for the recipe's method, by name; no `peft` where it is empty."""
    return {
        name: value
        for name, value in recipe.to_dict().items()
        if (name not in _NEEDS or _NEEDS[name][0](recipe)) and value != {}
    }


def needed(name: str, recipe: Recipe) -> str:
    """What a setting that means nothing for the recipe needs: 'a 4-bit base (qlora, nf4 or fp4)'; '' for one in use."""
    makes_sense, what = _NEEDS.get(name, (lambda _: True, ""))
    return "" if makes_sense(recipe) else what


def recipe_to_toml(recipe: Recipe) -> str:
    """Every setting as TOML, readable by `recipe_from_toml`. What is not set (None) stands as a comment."""
    lines = []
    for name, value in recipe.to_dict().items():
        lines.append(f"# {name} is not set" if value is None else f"{name} = {to_toml(value)}")
    return "\n".join(lines) + "\n"


def to_toml(value: Any) -> str:
    """A value as TOML: JSON's strings, numbers and booleans but for two ways to escape; objects are inline tables."""
    if isinstance(value, Mapping):
        pairs = [f"{to_toml(key)} = {to_toml(item)}" for key, item in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(to_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def recipe_from_toml(text: str) -> Recipe:
    """The recipe that a TOML text describes; settings left out have their defaults. Raises RecipeError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(
            f"The recipe is not TOML: {error}.", hint="see `anatomy plan --print-recipe`"
        ) from None
    return recipe_from_data(data)


def recipe_from_data(data: Mapping[str, Any]) -> Recipe:
    """The recipe of a file's settings by name, with the kinds of their values checked.

    Raises RecipeError, with everything that is wrong.
    """
    wrong = dict(wrong_kinds(data, Recipe().to_dict()))
    try:
        recipe = Recipe.from_dict({name: value for name, value in data.items() if name not in wrong})
    except RecipeError as error:
        raise RecipeError.together([*wrong.values(), error]) from None
    if wrong:
        raise RecipeError.together([*wrong.values()])
    return recipe
