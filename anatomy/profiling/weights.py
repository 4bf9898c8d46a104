"""Random weights on a real device for a model that was built on meta: the shapes and the order of a real loading.

Memory does not depend on the weights' values, but a loss must not become NaN and a router must spread its tokens:
the model's own initialization sees to both.
"""

from typing import Any

import torch

from anatomy.errors import ArchitectureError
from anatomy.training.quantized import base as quantization
from anatomy.training.recipe import Recipe

SPREAD = 0.02
"""Standard deviation of a packed layer's weights: transformers' usual `initializer_range`."""


def materialise(model: Any, recipe: Recipe, device: str) -> Any:
    """Give every parameter and buffer of `model` (on meta) memory on `device` and its class's own first values.

    Module after module, parameters before buffers, as the rehearsal has them arrive; what is tied stays tied. With
    a quantized recipe the linear layers are packed as they arrive. Raises ArchitectureError for a model whose class
    has no initialization, or whose initialization leaves something that is no number.
    """
    if not hasattr(model, "initialize_weights"):
        raise ArchitectureError(
            f"{type(model).__name__} cannot be initialized by transformers, so it has no random weights to run with.",
            hint="use --weights, where the checkpoint is at hand",
        )
    if recipe.quantized:
        quantization.swap_linears(model, recipe)
        quantization.code_books().clear()  # those of a rehearsal are on meta
    packed = {id(module) for _, module in quantization.quantized_modules(model)}
    moved: dict[int, torch.Tensor] = {}
    for module in model.modules():
        module.__dict__.pop("_is_hf_initialized", None)
        if id(module) in packed:
            _pack(module, device)
        _fill(module, device, moved)
    with torch.no_grad():
        model.initialize_weights()
    _check(model)
    return model


def _fill(module: Any, device: str, moved: dict[int, torch.Tensor]) -> None:
    for held in (module._parameters, module._buffers):
        for name, tensor in held.items():
            if tensor is not None and tensor.is_meta:
                if id(tensor) not in moved:
                    moved[id(tensor)] = _on(tensor, device)
                held[name] = moved[id(tensor)]


def _on(tensor: torch.Tensor, device: str) -> torch.Tensor:
    empty = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(empty, requires_grad=tensor.requires_grad)
    return empty


def _pack(module: Any, device: str) -> None:
    dense = torch.empty(module.weight.shape, dtype=module.weight.dtype, device=device).normal_(std=SPREAD)
    quantization.refill(module, dense)
    del dense
    quantization.quantize(module, device)
    module.weight._is_hf_initialized = True  # packed: no longer numbers that could be drawn anew


def _check(model: Any) -> None:
    for path, tensor in (*model.named_parameters(), *model.named_buffers()):
        packed = (
            getattr(tensor, "quant_state", None) is not None
        )  # whatever its storage dtype makes of the bits
        if not packed and tensor.is_floating_point() and not _is_finite(tensor):
            raise ArchitectureError(
                f"{type(model).__name__} leaves {path} without finite values when it initializes itself.",
                hint="use --weights, where the checkpoint is at hand",
            )


def _is_finite(tensor: torch.Tensor) -> bool:
    """By the extremes, which a NaN would be: isfinite() would take several copies of the tensor on the device."""
    if tensor.numel() == 0:
        return True
    return all(bool(extreme.isfinite()) for extreme in torch.aminmax(tensor.detach()))
