"""A 4-bit base: bitsandbytes' own layers in the place of the linear ones, as transformers puts them there."""

import sys
from importlib.util import find_spec
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.recipe import Recipe


def swap_linears(model: Any, recipe: Recipe) -> tuple[str, ...]:
    """Replace every linear layer but the kept ones by `bnb.nn.Linear4bit`, not yet quantized.

    The layers that stay (the head, tied weights) are those that transformers keeps. Returns the paths of the
    replaced modules. Raises RecipeError where there is nothing to quantize.
    """
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.quantizers.base import get_keys_to_not_convert

    config = bnb_config(recipe)
    dense = {path: module.weight for path, module in model.named_modules() if _has_matrix(module)}
    kept = list(get_keys_to_not_convert(model)) + list(getattr(model, "_keep_in_fp32_modules", None) or [])
    replace_with_bnb_linear(model, modules_to_not_convert=kept, quantization_config=config)
    swapped = tuple(path for path, module in model.named_modules() if _is_4bit(module))
    if not swapped:
        raise RecipeError(
            f"{type(model).__name__} has no linear layer that bitsandbytes could quantize.",
            hint="use --method lora",
        )
    for path in swapped:
        _carry_dtype(model.get_submodule(path), dense[path])
    model.is_loaded_in_4bit = True
    model.is_quantized = True
    model.quantization_method = config.quantization_method()
    return swapped


def bnb_config(recipe: Recipe) -> Any:
    """The recipe's base as transformers' BitsAndBytesConfig. Raises RecipeError where bitsandbytes is not installed."""
    if find_spec("bitsandbytes") is None:
        raise RecipeError(
            f"method {recipe.method!r} needs bitsandbytes, which is not installed.",
            hint="pip install bitsandbytes, or use --method lora",
        )
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=recipe.quant_type,
        bnb_4bit_use_double_quant=recipe.double_quant,
        bnb_4bit_compute_dtype=getattr(torch, recipe.autocast_dtype or recipe.weight_dtype),
    )


def quantize(module: Any, device: str) -> None:
    """Pack one layer's weight into 4 bits, with bitsandbytes' own code; the dense weight is let go."""
    module.weight = module.weight._quantize(device)


def quantized_modules(model: Any) -> list[tuple[str, Any]]:
    """(path, module) of every 4-bit layer."""
    return [(path, module) for path, module in model.named_modules() if _is_4bit(module)]


def state_tensors(module: Any) -> list[Any]:
    """The tensors of a 4-bit layer's quantization state: scales, their scales, offsets, code books."""
    state = module.weight.quant_state
    parts = [state.absmax, state.code]
    if state.nested:
        parts += [state.offset, state.state2.absmax, state.state2.code]
    return parts


def code_books() -> dict[str, Any]:
    """bitsandbytes' own tables of codes, by name: made on the device that first needs one, and kept by the library."""
    library = sys.modules.get("bitsandbytes")
    return {} if library is None else library.functional.name2qmap


def _has_matrix(module: Any) -> bool:
    return getattr(getattr(module, "weight", None), "dim", lambda: 0)() == 2


def _is_4bit(module: Any) -> bool:
    # PEFT's wrapper around such a layer has the same class name.
    return any(
        c.__name__ == "Linear4bit" and c.__module__.startswith("bitsandbytes.") for c in type(module).__mro__
    )


def _carry_dtype(module: Any, dense: Any) -> None:
    """The new layer was made in the default dtype; the checkpoint's weight comes in the recipe's."""
    module.weight.data = module.weight.data.to(dense.dtype)
    if module.bias is not None:
        module.bias.data = module.bias.data.to(dense.dtype)
