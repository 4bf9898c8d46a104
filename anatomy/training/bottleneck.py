"""Bottleneck adapters: two small layers with a nonlinearity and a skip connection, behind what a block's parts give out.

Houlsby et al. 2019 (arXiv:1902.00751) put one behind the attention and one behind the feed-forward network; Pfeiffer et al.
2021 (arXiv:2005.00247) keep the second alone. Activations are those of the `adapters` library's DoubleSeqBnConfig and
SeqBnConfig; norms stay frozen and attention from a decoder to its encoder gets no adapter, as there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from anatomy.architecture.tree import module_components
from anatomy.errors import RecipeError
from anatomy.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where a method puts its adapters."""

    components: tuple[str, ...]
    """Behind the layers of these components."""
    activation: Callable[[], nn.Module]


PLACEMENTS: Mapping[str, Placement] = {
    "houlsby": Placement(components=("attention.output", "ffn.down"), activation=nn.SiLU),
    "pfeiffer": Placement(components=("ffn.down",), activation=nn.ReLU),
}


_ACROSS = re.compile(r"cross|enc_?dec|encoder_attn", re.IGNORECASE)
"""What modules that attend to an encoder are called: crossattention, EncDecAttention, encoder_attn."""


class Bottleneck(nn.Module):
    """`base_layer`, and an adapter on what it gives out: `width` -> `size` -> `width`, added to it."""

    def __init__(
        self, base_layer: nn.Module, *, width: int, size: int, activation: nn.Module, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.down = nn.Linear(width, size, dtype=dtype)
        self.activation = activation
        self.up = nn.Linear(size, width, dtype=dtype)

    @property
    def weight(self) -> Any:
        """The wrapped layer's: some models look at its dtype."""
        return self.base_layer.weight

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        hidden: torch.Tensor = self.base_layer(*args, **kwargs)
        return hidden + self.up(self.activation(self.down(hidden)))


def add_bottlenecks(model: Any, recipe: Recipe) -> list[Any]:
    """Put the method's adapters into `model`; returns their parameters, and a classifier's, which is new as well.

    Raises RecipeError where a component that they stand behind is not there, as in a mixture of experts.
    """
    placement = PLACEMENTS[recipe.method]
    components = module_components(model, model.config)
    layers = [(path, module) for path, module in model.named_modules() if _width(module) is not None]
    for component in placement.components:
        found = [
            (path, module)
            for path, module in layers
            if components.get(path) == component and not _ACROSS.search(path)
        ]
        if not found:
            raise RecipeError(
                f"{type(model).__name__} has no layer of the component {component}, behind which the adapters stand.",
                hint="use --method lora",
            )
        for path, module in found:
            _wrap(model, path, module, recipe, placement)
    return [*_added(model), *_classifier(model)]


def _wrap(model: Any, path: str, module: Any, recipe: Recipe, placement: Placement) -> None:
    width = _width(module)
    assert width is not None, "only layers with a width come here"
    around, _, name = path.rpartition(".")
    adapter = Bottleneck(
        module, width=width, size=recipe.bottleneck, activation=placement.activation(), dtype=model.dtype
    )
    setattr(model.get_submodule(around), name, adapter)


def _width(module: Any) -> int | None:
    """Features that a linear layer gives out; None for another module. GPT-2's Conv1D says `nf`."""
    found = getattr(module, "out_features", getattr(module, "nf", None))
    return found if isinstance(found, int) else None


def _added(model: Any) -> list[Any]:
    adapters = [module for module in model.modules() if isinstance(module, Bottleneck)]
    return [p for adapter in adapters for part in (adapter.down, adapter.up) for p in part.parameters()]


def _classifier(model: Any) -> list[Any]:
    """A classification head is made for the task, so it is trained, as PEFT does."""
    heads = (getattr(model, name, None) for name in ("classifier", "score"))
    return [parameter for head in heads if head is not None for parameter in head.parameters()]
