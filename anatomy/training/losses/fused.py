"""Losses and kernels of packages: Liger's, cut-cross-entropy's and TRL's, put into a model as their users do."""

import inspect
import sys
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

import torch

from anatomy.errors import RecipeError
from anatomy.training.available import check_packages
from anatomy.training.losses.kinds import LOSSES
from anatomy.training.recipe import Recipe
from anatomy.training.step import Batch

_LIGER = "liger_kernel.transformers.monkey_patch"
_TRL_HEAD = "trl.trainer.utils"
_FUSED_LOSS, _OTHER_LOSS = "fused_linear_cross_entropy", "cross_entropy"


def modules_of(recipe: Recipe) -> tuple[str, ...]:
    """The modules of packages that a recipe's loss and kernels are from. Raises RecipeError where one is missing."""
    check_packages(recipe)
    return (
        *(_LIGER,) * (recipe.loss == "liger" or recipe.liger_kernels),
        *(LOSSES["cut"].module,) * (recipe.loss == "cut"),
        *(_TRL_HEAD,) * (recipe.loss == "trl"),
    )


def check_cpu(recipe: Recipe) -> None:
    """Raises RecipeError for a recipe whose kernels run on GPUs alone."""
    needs_gpu = not LOSSES[recipe.loss].on_cpu
    if needs_gpu or recipe.liger_kernels:
        what = f"loss {recipe.loss!r}" if needs_gpu else "liger_kernels"
        raise RecipeError(
            f"{what} is made of Triton kernels, which do not run on the CPU.",
            hint="`anatomy plan` rehearses it without a GPU",
        )


def imported_functions() -> Iterator[Any]:
    """The autograd functions of fused losses in the packages that are imported."""
    for kind in LOSSES.values():
        function = getattr(sys.modules.get(kind.module), kind.function, None) if kind.module else None
        if function is not None:
            yield function


def apply_liger(base: Any, recipe: Recipe) -> None:
    """What the Trainer's `use_liger_kernel` does to one model, with the parts that the recipe asks for.

    It also replaces names in the module that the model's class is from (transformers/integrations/liger.py;
    liger_kernel/transformers/monkey_patch.py). Raises RecipeError for a model that Liger does not know.
    """
    liger = sys.modules.get(_LIGER) or _import(_LIGER)
    kind = base.config.model_type
    apply = liger.MODEL_TYPE_TO_APPLY_LIGER_FN.get(kind)
    if apply is None:
        raise RecipeError(
            f"Liger has no kernels for models of type {kind!r}, and would change nothing.",
            hint="leave liger out, or use --loss chunked",
        )
    parts = [name for name in inspect.signature(apply).parameters if name != "model"]
    settings = dict.fromkeys(parts, recipe.liger_kernels) | {_OTHER_LOSS: False}
    settings[_FUSED_LOSS] = recipe.loss == "liger"
    if recipe.loss == "liger" and _FUSED_LOSS not in parts:
        raise RecipeError(
            f"Liger has no fused loss for models of type {kind!r}.", hint="leave --loss liger out"
        )
    try:
        liger._apply_liger_kernel_to_instance(model=base, **settings)
    except NotImplementedError as error:
        raise RecipeError(
            f"Liger refuses a model of type {kind!r}: {error}.", hint="leave liger out"
        ) from error


def _cut(base: Any, recipe: Recipe) -> None:
    """The model's forward, but for its head, and cut-cross-entropy on what the head would get.

    As the package's own patches for transformers do (cut_cross_entropy/transformers of its repository). Raises
    RecipeError where its kernels would.
    """
    head = base.get_output_embeddings()
    if type(head) is not torch.nn.Linear or head.bias is not None:
        raise RecipeError(
            f"cut-cross-entropy takes the weight of a plain linear head, and this one is a {type(head).__name__}.",
            hint="use --loss chunked",
        )
    softcap = getattr(base.config.get_text_config(), "final_logit_softcapping", None)
    cross_entropy = _import("cut_cross_entropy").linear_cross_entropy

    def forward(
        self: Any, *args: Any, labels: Any = None, num_items_in_batch: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        hidden = self.base_model(*args, **kwargs)[0]
        reduction = "mean" if num_items_in_batch is None else "sum"
        loss = cross_entropy(
            hidden,
            self.get_output_embeddings().weight,
            labels.to(hidden.device),
            softcap=softcap,
            shift=True,
            reduction=reduction,
        )
        return {"loss": loss if num_items_in_batch is None else loss / num_items_in_batch}

    base.forward = MethodType(forward, base)


def _trl(base: Any, recipe: Recipe) -> None:
    """As SFTTrainer's constructor, which computes entropy and accuracy beside the loss (trl/trainer/sft_trainer.py)."""
    add_trl_head(base, ("log_probs", "entropy", "is_top1"))


def add_trl_head(base: Any, outputs: tuple[str, ...]) -> None:
    """TRL's fused head, which returns `outputs` a token instead of logits."""
    _import(_TRL_HEAD).add_fused_lm_head(base, outputs=outputs)


FUSED: dict[str, Callable[[Any, Recipe], None]] = {"cut": _cut, "trl": _trl}
"""Loss -> what is done to the model, where it is not Liger's."""


def trl_loss(model: Any, inputs: Batch, items: torch.Tensor | None) -> torch.Tensor:
    """SFTTrainer.compute_loss for `loss_type='nll'`: the loss, then what is logged, while the outputs are there."""
    inputs["use_cache"] = False
    outputs = model(**inputs, fused_lm_head=True)
    per_token = -outputs.log_probs
    tokens = outputs.label_mask.sum() if items is None else items
    loss: torch.Tensor = per_token.sum() / torch.as_tensor(tokens).clamp(min=1)
    valid = outputs.label_mask.sum().sum()
    entropy, correct = outputs.entropy.detach().sum().sum(), outputs.is_top1.sum().sum()
    for logged in (entropy / valid, correct / valid):
        del logged
    return loss


def _import(name: str) -> Any:
    from importlib import import_module

    return sys.modules.get(name) or import_module(name)
