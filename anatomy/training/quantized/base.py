"""A quantized base: bitsandbytes' own layers in the place of the linear ones, as transformers puts them there."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.available import check_quantizer
from anatomy.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    """One of bitsandbytes' linear layers."""

    bits: int
    """Of a packed weight."""
    states: Callable[[Any], list[Any]]
    """Layer -> the tensors beside the packed weight."""
    shape: Callable[[Any], tuple[int, ...]]
    """Layer -> the weight's shape before it was packed."""


def _scales_of_4_bits(layer: Any) -> list[Any]:
    state = layer.weight.quant_state
    parts = [state.absmax, state.code]
    if state.nested:
        parts += [state.offset, state.state2.absmax, state.state2.code]
    return parts


def _scales_of_int8(layer: Any) -> list[Any]:
    """The first product moves them from the weight to the layer's state (Linear8bitLt.init_8bit_state)."""
    return [scales for scales in (layer.weight.SCB, layer.state.SCB) if scales is not None][:1]


_KINDS = {
    "Linear4bit": _Kind(
        bits=4, states=_scales_of_4_bits, shape=lambda layer: tuple(layer.weight.quant_state.shape)
    ),
    "Linear8bitLt": _Kind(bits=8, states=_scales_of_int8, shape=lambda layer: tuple(layer.weight.shape)),
}
"""Class of a layer -> what is known of it."""


def swap_linears(model: Any, recipe: Recipe) -> tuple[str, ...]:
    """Replace every linear layer but the kept ones by bitsandbytes' own, not yet quantized.

    The layers that stay (the head, tied weights, or those that the recipe skips) are those that transformers keeps.
    Returns the paths of the replaced modules. Raises RecipeError where there is nothing to quantize.
    """
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear

    config = bnb_config(recipe)
    dense = {path: module.weight for path, module in model.named_modules() if _has_matrix(module)}
    replace_with_bnb_linear(model, modules_to_not_convert=_kept(model, recipe), quantization_config=config)
    swapped = tuple(path for path, module in model.named_modules() if kind_of_layer(module))
    if not swapped:
        raise RecipeError(
            f"{type(model).__name__} has no linear layer that bitsandbytes could quantize.",
            hint="use --method lora",
        )
    for path in swapped:
        layer = model.get_submodule(path)
        _carry_dtype(layer, dense[path])
        if recipe.quant_bits == 4:  # BitsAndBytesConfig has no such setting: the parameter itself does
            layer.weight.blocksize = recipe.quant_block_size
    setattr(model, f"is_loaded_in_{recipe.quant_bits}bit", True)
    model.is_quantized = True
    model.quantization_method = config.quantization_method()
    return swapped


def _kept(model: Any, recipe: Recipe) -> list[str]:
    """What transformers leaves dense: a list of one's own replaces that of the head and of tied weights.

    Source: transformers 5.23, quantizers/base.py, get_modules_to_not_convert.
    """
    from transformers.quantizers.base import get_keys_to_not_convert

    paths = [path for path, _ in model.named_modules()]
    for name in recipe.quant_skip:
        if not any(name in path for path in paths):
            last = sorted(
                {path.rpartition(".")[2] for path in paths if path} - {str(n) for n in range(len(paths))}
            )
            close = get_close_matches(name, last, 3)
            raise RecipeError(
                f"quant_skip names {name!r}, which is part of no module's path in {type(model).__name__}.",
                hint=f"did you mean {' or '.join(close)}?" if close else "`anatomy show` lists the modules",
            )
    chosen = list(recipe.quant_skip) or list(get_keys_to_not_convert(model))
    return chosen + list(getattr(model, "_keep_in_fp32_modules", None) or [])


def bnb_config(recipe: Recipe) -> Any:
    """The recipe's base as transformers' BitsAndBytesConfig. Raises RecipeError where bitsandbytes is not installed."""
    check_quantizer(recipe)
    import torch
    from transformers import BitsAndBytesConfig

    skipped = {"llm_int8_skip_modules": list(recipe.quant_skip) or None}
    if recipe.quant_bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, **skipped)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=recipe.quant_type,
        bnb_4bit_use_double_quant=recipe.double_quant,
        bnb_4bit_compute_dtype=getattr(torch, recipe.autocast_dtype or recipe.weight_dtype),
        bnb_4bit_quant_storage=recipe.quant_storage,
        **skipped,
    )


def refill(module: Any, dense: Any) -> None:
    """Give a layer that is not yet quantized the numbers of `dense`, in a parameter of its own kind and settings."""
    old = module.weight
    settings = {name: value for name, value in vars(old).items() if name not in ("SCB", "CB", "data")}
    module.weight = type(old)(dense, **{**settings, "requires_grad": False})


def quantize(module: Any, device: str) -> None:
    """Pack one layer's weight, with bitsandbytes' own code; the dense weight is let go."""
    module.weight = module.weight._quantize(device)


def quantized_modules(model: Any) -> list[tuple[str, Any]]:
    """(path, module) of every layer of bitsandbytes' that keeps a packed weight."""
    return [(path, module) for path, module in model.named_modules() if kind_of_layer(module)]


def state_tensors(module: Any) -> list[Any]:
    """The tensors of a packed layer's quantization state: scales, their scales, offsets, code books."""
    kind = kind_of_layer(module)
    return [] if kind is None else kind.states(module)


def logical_shape(module: Any) -> tuple[int, ...]:
    """The shape of a packed layer's weight before it was packed: (outputs, inputs)."""
    kind = kind_of_layer(module)
    return tuple(module.weight.shape) if kind is None else kind.shape(module)


def code_books() -> dict[str, Any]:
    """bitsandbytes' own tables of codes, by name: made on the device that first needs one, and kept by the library."""
    library = sys.modules.get("bitsandbytes")
    return {} if library is None else library.functional.name2qmap


def kind_of_layer(module: Any) -> _Kind | None:
    """Which of bitsandbytes' layers a module is; None for any other, and for PEFT's wrappers, which share their names."""
    names = [c.__name__ for c in type(module).__mro__ if c.__module__.startswith("bitsandbytes.")]
    return next((_KINDS[name] for name in names if name in _KINDS), None)


def _has_matrix(module: Any) -> bool:
    return getattr(getattr(module, "weight", None), "dim", lambda: 0)() == 2


def _carry_dtype(module: Any, dense: Any) -> None:
    """The new layer was made in the default dtype; the checkpoint's weight comes in the recipe's."""
    module.weight.data = module.weight.data.to(dense.dtype)
    if module.bias is not None:
        module.bias.data = module.bias.data.to(dense.dtype)
