"""Direct preference optimization: the step of TRL's DPOTrainer, chosen and rejected sequences in one batch.

Arithmetic of `loss_type='sigmoid'` (Rafailov et al. 2023, arXiv:2305.18290, eq. 7); lifetimes of trl 1.16,
trainer/dpo_trainer.py (_compute_loss), with its fused head, and of trl 1.0 with all the logits. What TRL logs beside is left
out: numbers, and a row of numbers a sequence.
"""

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from anatomy.errors import RecipeError
from anatomy.training.inputs.batch import BatchPlan, plan_batch
from anatomy.training.losses.fused import add_trl_head
from anatomy.training.recipe import Recipe
from anatomy.training.step import Batch, Run, autocast_forward, unwrapped

BETA = 0.1
"""DPOConfig's own; it does not change memory."""
_NOT_THE_MODELS = ("completion_mask", "ref_chosen_logps", "ref_rejected_logps")
_LOGGED = ("log_probs", "entropy", "mean_logits", "is_top1")


def pairs(model: Any, recipe: Recipe) -> BatchPlan:
    """A batch of `recipe.batch_size` pairs: the chosen sequences, then the rejected ones, each as long as `seq_len`."""
    plan = plan_batch(model, replace(recipe, objective="sft", batch_size=2 * recipe.batch_size))

    def make() -> Batch:
        batch = plan.make()
        del batch["labels"]
        batch["completion_mask"] = torch.ones_like(batch["input_ids"])
        batch["completion_mask"][:, 0] = 0
        if recipe.dpo_reference == "precomputed":
            for name in _NOT_THE_MODELS[1:]:
                batch[name] = torch.zeros(recipe.batch_size)
        return batch

    count = f"{recipe.batch_size:,} pair{'s' * (recipe.batch_size != 1)}"
    words = f"{count} a micro-batch, chosen and rejected in one pass; all but the first token is completion"
    return BatchPlan(make=make, assumptions=(*plan.assumptions, words), tokens=plan.tokens)


def reference_of(model: Any, recipe: Recipe) -> Any:
    """A copy of `model`, before any method is applied to it, where the recipe needs one; else None.

    Raises RecipeError for a class without next tokens to predict.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if recipe.objective != "dpo":
        return None
    if type(model).__name__ not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        raise RecipeError(
            f"objective 'dpo' is for models that predict the next token, and {type(model).__name__} is none.",
            hint="use --objective sft",
        )
    return copy.deepcopy(model) if recipe.copies_reference else None


def apply_preferences(model: Any, recipe: Recipe) -> None:
    """Make `model` (the one that is called) score sequences: its dropout goes, as DPOConfig's `disable_dropout` says."""
    _without_dropout(model)
    base = unwrapped(model)
    if recipe.loss == "trl":
        add_trl_head(base, _LOGGED)
    else:
        base.loss_function = selected_log_probs


def with_preferences(run: Run, recipe: Recipe, reference: Any) -> Run:
    """`run` with DPO's loss, and the reference ready to be called, as DPOTrainer leaves it."""
    if reference is not None:
        _without_dropout(reference)
        reference.eval()
        if recipe.loss == "trl":
            add_trl_head(reference, ("log_probs",))
        if recipe.autocast_dtype is not None:
            autocast_forward(reference, getattr(torch, recipe.autocast_dtype), run.device)
    kind = _Fused if recipe.loss == "trl" else _FromLogits
    return replace(run, loss=kind(recipe=recipe, reference=reference), count=_uncounted)


def _without_dropout(model: Any) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0


def selected_log_probs(logits: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """log p of each token (batch, tokens) under logits (batch, tokens, vocabulary).

    In fp32 by a logsumexp a sequence, in 16 bit by a log_softmax a sequence (trl/trainer/utils.py,
    selective_log_softmax, without Triton).
    """
    index = index.unsqueeze(-1)
    if logits.dtype in (torch.float32, torch.float64):
        selected = torch.gather(logits, dim=-1, index=index)
        sums = torch.stack([torch.logsumexp(row, dim=-1) for row in logits])
        return (selected - sums.unsqueeze(-1)).squeeze(-1)
    rows = []
    for row, wanted in zip(logits, index, strict=True):
        log_probs = nn.functional.log_softmax(row, dim=-1)
        rows.append(log_probs.gather(dim=-1, index=wanted))
    return torch.stack(rows).squeeze(-1)


@dataclass(kw_only=True)
class _Preferences:
    """What the two ways of scoring sequences have in common."""

    recipe: Recipe
    reference: Any

    def __call__(self, model: Any, inputs: Batch, items: torch.Tensor | None) -> torch.Tensor:
        given = {name: value for name, value in inputs.items() if name not in _NOT_THE_MODELS}
        given["use_cache"] = False
        wanted = self._wanted(inputs)
        log_probs, *_held = self._score(model, model, given, wanted)
        chosen, rejected = log_probs.chunk(2, dim=0)
        if self.recipe.dpo_reference == "precomputed":
            of_chosen, of_rejected = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        else:
            scorer, as_reference = self._scorer(model)
            with torch.no_grad(), as_reference:
                scored, *_held_too = self._score(scorer, model, given, wanted)
            of_chosen, of_rejected = scored.chunk(2, dim=0)
        delta = (chosen - of_chosen) - (rejected - of_rejected)
        loss: torch.Tensor = 0.0 + (-nn.functional.logsigmoid(BETA * delta)).mean() * 1.0
        return loss

    def _scorer(self, model: Any) -> tuple[Any, AbstractContextManager[Any]]:
        if self.reference is None:
            return model, model.disable_adapter()
        return self.reference, nullcontext()

    def _wanted(self, inputs: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        raise NotImplementedError

    def _score(self, scorer: Any, model: Any, given: Batch, wanted: Any) -> tuple[Any, ...]:
        """log p of each sequence, and what TRL's function holds until it returns."""
        raise NotImplementedError


class _Fused(_Preferences):
    """The head tile by tile, for the tokens of completions."""

    def _wanted(self, inputs: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        mask = inputs["completion_mask"]
        return inputs["input_ids"].masked_fill(mask == 0, -100), mask[..., 1:]

    def _score(self, scorer: Any, model: Any, given: Batch, wanted: Any) -> tuple[Any, ...]:
        labels, mask = wanted
        outputs = scorer(**given, labels=labels, fused_lm_head=True)
        per_token = outputs.log_probs[:, -mask.size(1) :]
        return per_token.sum(dim=1), outputs, per_token


class _FromLogits(_Preferences):
    """All the logits, and a copy of them without the last."""

    def _wanted(self, inputs: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        return inputs["input_ids"][..., 1:].contiguous(), inputs["completion_mask"][..., 1:].contiguous()

    def _score(self, scorer: Any, model: Any, given: Batch, wanted: Any) -> tuple[Any, ...]:
        labels, mask = wanted
        outputs = scorer(**given)
        logits = outputs.logits[..., :-1, :].contiguous()
        per_token = unwrapped(model).loss_function(logits, labels)
        per_token[mask == 0] = 0.0
        return per_token.sum(dim=1), outputs, logits, per_token


def _uncounted(model: Any, batches: Sequence[Batch]) -> None:
    """DPO's batches have no labels to count: its loss is a mean, divided by the accumulation steps."""
