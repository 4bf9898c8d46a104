"""Which weights are trained without PEFT: all, biases alone (BitFit), the last blocks and the head, bottlenecks."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.bottleneck import PLACEMENTS, add_bottlenecks
from anatomy.training.recipe import Recipe


def train_weights(model: Any, recipe: Recipe) -> None:
    """Switch gradients on for the weights that the recipe's method trains, and off for all others.

    Raises RecipeError where the model has none of them.
    """
    chosen = {id(parameter) for parameter in TRAINED[recipe.method](model, recipe)}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in chosen and parameter.is_floating_point())


def last_blocks(model: Any, count: int) -> list[Any]:
    """The last `count` blocks of the model; of its decoder, where it has an encoder as well.

    Blocks are the members of a ModuleList with about the most parameters of all lists: not experts inside of them,
    not the smaller parts of a model of several towers. Raises RecipeError where there are fewer.
    """
    import torch

    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module)]
    sizes = [sum(parameter.numel() for parameter in blocks.parameters()) for blocks in lists]
    large = [blocks for blocks, size in zip(lists, sizes, strict=True) if 2 * size >= max(sizes)]
    found = list(large[-1]) if large else []
    if count > len(found):
        raise RecipeError(
            f"{type(model).__name__} has {len(found)} blocks, fewer than the last {count} that are to be trained.",
            hint=f"use --last-n {len(found)} or less",
        )
    return found[len(found) - count :]


def _all(model: Any, recipe: Recipe) -> Iterable[Any]:
    return list(model.parameters())


def _biases(model: Any, recipe: Recipe) -> Iterable[Any]:
    """BitFit: every bias, those of norms among them (Ben Zaken et al. 2021, arXiv:2106.10199)."""
    found = [parameter for name, parameter in model.named_parameters() if name.split(".")[-1] == "bias"]
    if not found:
        raise RecipeError(
            f"{type(model).__name__} has no biases, so bitfit trains nothing.",
            hint="use --method ln-tuning or lora",
        )
    return found


def _last(model: Any, recipe: Recipe) -> Iterable[Any]:
    parts = last_blocks(model, recipe.last_n)
    if recipe.train_head:
        head = model.get_output_embeddings() or getattr(model, "classifier", getattr(model, "score", None))
        if head is None:
            raise RecipeError(
                f"{type(model).__name__} has no head that is known.", hint="use --no-train-head"
            )
        parts.append(head)
    return [parameter for part in parts for parameter in part.parameters()]


TRAINED: Mapping[str, Callable[[Any, Recipe], Iterable[Any]]] = {
    "full": _all,
    "bitfit": _biases,
    "last-n": _last,
    **dict.fromkeys(PLACEMENTS, add_bottlenecks),
}
"""Method without PEFT -> the weights that it trains."""
