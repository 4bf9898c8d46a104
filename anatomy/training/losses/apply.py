"""The losses that a recipe can name, beside the one that the model's own class computes.

Each is put where the model looks for its loss function, so that whoever watches a step finds it there.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from anatomy.errors import RecipeError
from anatomy.training.losses.dpo import apply_preferences
from anatomy.training.losses.fused import FUSED, apply_liger, trl_loss
from anatomy.training.recipe import Recipe
from anatomy.training.step import Batch, Loss, compute_loss, loss_and_outputs, unwrapped

OfPiece = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""The sum of the losses of some tokens, from their logits (tokens, vocabulary) and their targets (tokens)."""
Outputs = Callable[[Any, Batch, torch.Tensor | None], tuple[torch.Tensor, Any]]
"""The loss of a model on a batch, given the number of labelled tokens where that is counted, and the model's outputs."""
CHUNKS = 8
"""Pieces of the sequence that the chunked loss takes one after the other: torchtune's and axolotl's default."""
_IGNORED = -100


def apply_loss(model: Any, recipe: Recipe) -> None:
    """Give `model` (the one that is called, adapters and all) the recipe's loss function.

    Raises RecipeError where the model's class has another task than the loss is for.
    """
    base = unwrapped(model)
    if recipe.objective == "dpo":  # which has a loss of its own: see `dpo`
        if recipe.liger_kernels:
            apply_liger(base, recipe)
        apply_preferences(model, recipe)
        return
    if recipe.loss != "stock":
        _check_causal(base, recipe)
    if recipe.loss in _CHUNKED:
        base.loss_function = partial(chunked_cross_entropy, of_piece=_CHUNKED[recipe.loss])
    if recipe.loss == "liger" or recipe.liger_kernels:
        apply_liger(base, recipe)
    if recipe.loss in FUSED:
        FUSED[recipe.loss](base, recipe)
    if recipe.label_smoothing:
        base.loss_function = _smoother(base, recipe)


def loss_of(recipe: Recipe) -> Loss:
    """How a step takes the loss of a model to which `apply_loss` has been applied."""
    if recipe.loss == "trl":
        return trl_loss
    return _smoothed if recipe.label_smoothing else compute_loss


def outputs_of(recipe: Recipe) -> Outputs:
    """How an evaluation takes the loss, and the outputs where its loss is taken from them."""
    if recipe.loss == "trl":
        return lambda model, inputs, items: (trl_loss(model, inputs, items), {})
    if recipe.label_smoothing:
        return _smoothed_outputs
    if (
        recipe.loss == "liger" and not recipe.eval_keep_logits
    ):  # Trainer.prediction_step asks for the loss alone
        return lambda model, inputs, items: loss_and_outputs(model, {**inputs, "skip_logits": True}, items)
    return loss_and_outputs


def chunked_cross_entropy(
    logits: torch.Tensor,
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | None = None,
    shift_labels: torch.Tensor | None = None,
    *,
    of_piece: OfPiece | None = None,
    **_: Any,
) -> torch.Tensor:
    """Cross-entropy that makes fp32 of the logits (batch, tokens, vocabulary) one piece of the sequence at a time.

    torchtune's CEWithChunkedOutputLoss (modules/loss) as axolotl's `chunked_cross_entropy` calls it
    (monkeypatch/loss/chunked.py). `of_piece`: the sum over one piece, whose rows are tokens; by default op by op.
    """
    of_piece = of_piece or _op_by_op
    if shift_labels is None:
        labels = nn.functional.pad(labels, (0, 1), value=_IGNORED)
        shift_labels = labels[..., 1:].contiguous()
    shift_labels = shift_labels.to(logits.device)
    total: Any = 0.0
    elements = (shift_labels != _IGNORED).sum()
    pieces = [piece.reshape(-1, piece.size(-1)) for piece in logits.chunk(CHUNKS, dim=1)]
    targets = [piece.reshape(-1) for piece in shift_labels.chunk(CHUNKS, dim=1)]
    for piece, target in zip(pieces, targets, strict=True):
        total += of_piece(piece, target)
    return total / (elements if num_items_in_batch is None else num_items_in_batch)


def _op_by_op(piece: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(piece.float(), target, ignore_index=_IGNORED, reduction="sum")


def _compiled(piece: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The same through torch.compile; on meta, which has nothing to compile for, by what that keeps."""
    if piece.device.type == "meta":
        loss: torch.Tensor = _AsCompiled.apply(piece, target)
        return loss
    return torch.compile(_op_by_op)(piece, target)


class _AsCompiled(torch.autograd.Function):
    """What Inductor makes of `_op_by_op`: one pass over each row, and one in backward that computes it anew.

    Kept between them: the logits as they came, and two fp32 numbers a row, the largest and the logarithm of the sum; fp32
    logits and probabilities live in registers (torch/_functorch/partitioners.py, min_cut_rematerialization_partition:
    what costs only pointwise work is computed again).
    """

    @staticmethod
    def forward(ctx: Any, piece: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        numbers = [torch.empty((len(piece), 1), dtype=torch.float32, device=piece.device) for _ in range(2)]
        ctx.save_for_backward(piece, target, *numbers)
        return torch.empty((), dtype=torch.float32, device=piece.device)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.empty_like(ctx.saved_tensors[0]), None


_CHUNKED: dict[str, OfPiece] = {"chunked": _op_by_op, "chunked-compiled": _compiled}


def _smoothed(model: Any, inputs: Batch, items: torch.Tensor | None) -> torch.Tensor:
    """The loss alone, of a label smoother."""
    loss, _ = _smoothed_outputs(model, inputs, items)
    return loss


def _smoothed_outputs(model: Any, inputs: Batch, items: torch.Tensor | None) -> tuple[torch.Tensor, Any]:
    """Trainer.compute_loss with a label smoother: the model makes logits, the smoother the loss."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    labels = inputs.pop("labels")
    extra = {} if items is None else {"num_items_in_batch": items}
    outputs = model(**{**inputs, **extra})
    base = unwrapped(model)
    shifts = {"shift_labels": True} if base._get_name() in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values() else {}
    loss: torch.Tensor = base.loss_function(outputs, labels, num_items_in_batch=items, **shifts)
    return loss, outputs


def _smoother(base: Any, recipe: Recipe) -> Any:
    from transformers.trainer_pt_utils import LabelSmoother

    problem = getattr(base.config, "problem_type", None)
    if problem in ("multi_label_classification", "regression"):
        raise RecipeError(
            f"label_smoothing is for one label out of several, not for {problem.replace('_', ' ')}.",
            hint="leave label_smoothing out",
        )
    return LabelSmoother(epsilon=recipe.label_smoothing)


def _check_causal(base: Any, recipe: Recipe) -> None:
    """Raises RecipeError for a class whose loss is not that of the next token."""
    from transformers.loss.loss_utils import ForCausalLMLoss

    if base.loss_function is not ForCausalLMLoss or base.config.is_encoder_decoder:
        raise RecipeError(
            f"loss {recipe.loss!r} is for models that predict the next token, and {type(base).__name__} is none.",
            hint="use --loss stock",
        )
