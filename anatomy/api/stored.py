"""A recipe over a checkpoint that is quantized already: what stays packed, what is dense, and what transformers refuses."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from anatomy.blueprint import Blueprint
from anatomy.errors import RecipeError
from anatomy.training.peft_types import METHODS
from anatomy.training.quantized.stored.scheme import Scheme, scheme_of
from anatomy.training.recipe import Recipe

Adapted = tuple[Recipe, dict[str, str]]
"""The recipe, and setting that was changed -> why."""


def over_checkpoint(
    config: Mapping[str, Any], recipe: Recipe, chosen: Collection[str], capability: tuple[int, int] | None
) -> Adapted:
    """The recipe with what the checkpoint's own quantization decides, by its config.json.

    `capability`: of the GPU that is rehearsed; None for a run whose weights cannot be packed ones. Raises RecipeError
    for what transformers would refuse.
    """
    scheme = scheme_of(config)
    if scheme is None:
        if recipe.dequantize is not None:
            raise RecipeError(
                "dequantize means nothing here: the checkpoint is not quantized.", hint="leave dequantize out"
            )
        return recipe, {}
    if recipe.dequantize and not scheme.method.dequantizes:
        raise RecipeError(
            f"transformers does not dequantize a {scheme.name} checkpoint as it loads it.",
            hint="plan the model that it was made of",
        )
    if not scheme.kept:
        return _dense(recipe, scheme)
    why = _why_dense(config, recipe, scheme, capability)
    if why and recipe.dequantize is not False:
        return _dense(recipe, scheme, why)
    return _packed(recipe, scheme)


def _why_dense(
    config: Mapping[str, Any], recipe: Recipe, scheme: Scheme, capability: tuple[int, int] | None
) -> str:
    """Why weights that could stay packed do not; '' where they do."""
    if recipe.dequantize:
        return "as was asked"
    if capability is None:
        return "there are no packed weights to run with"
    if not scheme.method.dequantizes:
        return ""
    if capability < scheme.method.capability:
        major, minor = scheme.method.capability
        return f"transformers dequantizes {scheme.name} below compute capability {major}.{minor}"
    if _has_experts(config):
        return f"kernels of {scheme.name} experts are not modelled"
    return "" if recipe.uses_adapters else "transformers trains packed weights themselves in no other way"


def _has_experts(config: Mapping[str, Any]) -> bool:
    from anatomy.architecture.facts import facts_from_config

    return facts_from_config(config).experts is not None


def _dense(recipe: Recipe, scheme: Scheme, why: str = "") -> Adapted:
    if not scheme.method.dequantizes and not why:
        return replace(recipe, dequantize=None), {}
    return replace(recipe, dequantize=True), {"dequantize": why or scheme.method.why_dense}


def _packed(recipe: Recipe, scheme: Scheme) -> Adapted:
    if not recipe.uses_adapters:
        raise RecipeError(
            f"The checkpoint is quantized ({scheme.name}), and transformers fine-tunes no quantized weights themselves.",
            hint="use a method with adapters, e.g. --method lora",
        )
    if scheme.name == "bitsandbytes":
        return _by_bitsandbytes(recipe, scheme)
    if recipe.quantized:
        raise RecipeError(
            f"The checkpoint is quantized already ({scheme.name}), and transformers refuses to quantize it with "
            "bitsandbytes as well.",
            hint="use --method lora, which trains over the checkpoint's own weights",
        )
    why = {"dequantize": "adapters are trained over the checkpoint's packed weights"}
    return replace(recipe, dequantize=False), why if recipe.dequantize is None else {}


def _by_bitsandbytes(recipe: Recipe, scheme: Scheme) -> Adapted:
    """The base is what the checkpoint's own settings say, whatever was asked."""
    said = scheme.settings
    stored = {
        "quant_type": "int8" if scheme.bits == 8 else said.get("bnb_4bit_quant_type", "fp4"),
        "double_quant": bool(said.get("bnb_4bit_use_double_quant")),
        "quant_storage": str(said.get("bnb_4bit_quant_storage") or "uint8").removeprefix("torch."),
        "quant_skip": tuple(said.get("llm_int8_skip_modules") or ()),
        **_over_quantized(recipe),
    }
    changed = {name: value for name, value in stored.items() if getattr(recipe, name) != value}
    return replace(recipe, **changed), dict.fromkeys(changed, "the checkpoint is stored so")


def _over_quantized(recipe: Recipe) -> dict[str, Any]:
    """The name of the same method over a quantized base."""
    if recipe.quantized:
        return {}
    own = METHODS[recipe.method]
    for name, method in METHODS.items():
        if (
            method.quantized
            and not method.generic
            and (method.peft_type, method.options) == (own.peft_type, own.options)
        ):
            return {"method": name}
    return {"method": "qpeft", "peft_type": recipe.adapter_type, "peft": {**own.options, **recipe.peft}}


def own_quantization(blueprint: Blueprint, recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """(what is not modelled or '', warning) for a checkpoint that is itself quantized and is not planned so."""
    scheme = scheme_of(blueprint.config or {})
    if scheme is None or recipe.dequantize is False or (scheme.name == "bitsandbytes" and recipe.quantized):
        return ()
    own = f"the checkpoint's own quantization ({scheme.name})"
    weights = f"quantized from {recipe.weight_dtype}" if recipe.quantized else f"in {recipe.weight_dtype}"
    as_dense = f"this is the plan of the same model with its weights {weights}"
    why = f" ({scheme.method.why_dense})" if scheme.method.why_dense else ""
    if recipe.dequantize:
        return (("", f"{own} is left behind{why}: {as_dense}"),)
    return ((own, f"{own} is not modelled{why}: {as_dense}"),)
