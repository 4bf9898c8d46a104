"""What a recipe cannot be: values out of range, and settings that contradict each other."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from anatomy.errors import RecipeError
from anatomy.training.choices import CHOICES
from anatomy.training.losses.kinds import check_dpo, check_loss
from anatomy.training.optimizers.kinds import OWN, kind_of, parsed_args
from anatomy.training.peft_types import ALL_LINEAR, METHODS, PEFT_DEFAULT, PEFT_TYPES
from anatomy.training.precisions import UNMODELLED
from anatomy.training.value_kinds import wrong_kinds

if TYPE_CHECKING:
    from anatomy.training.recipe import Recipe

MOST_RANK = 2**16
"""Wider than any layer that is adapted."""
LARGEST_SIDE, LONGEST_SOUND = 16_384, 3_600.0
"""Pixels of an image's side, seconds of a clip: beyond what any processor is fed."""
MOST_BATCHES = 10_000
"""Of an evaluation: what it keeps is put together once for each."""
MOST_TOKENS = 2**31
"""Of one micro-batch; beyond it, a token's index no longer fits 32 bits."""
AT_LEAST: dict[str, int] = {
    **dict.fromkeys(
        (
            *("r", "alpha", "bottleneck", "checkpoint_every", "batch_size", "seq_len", "grad_accum"),
            *("eval_batch_size", "eval_accumulation_steps"),
        ),
        1,
    ),
    **dict.fromkeys(("max_grad_norm", "last_n", "add_tokens", "weight_decay", "images", "eval_batches"), 0),
}
"""Setting -> the least that it can be."""


def no_setting(name: str, known: Sequence[str]) -> RecipeError:
    """What is said of a setting that there is not."""
    close = get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
    return RecipeError(f"{name!r} is not a setting of a recipe.", hint=hint)


def check(recipe: "Recipe") -> None:
    """Raises RecipeError for what no run could be: one error, with all that is wrong."""
    problems = [*_kinds(recipe)] or [*_choices(recipe)]  # which are values of the right types
    problems = problems or [*_combinations(recipe)]  # which are combinations of possible values
    if problems:
        raise RecipeError.together(problems)


def _kinds(recipe: "Recipe") -> Iterator[RecipeError]:
    """A value of another type, but for a choice's: there, the choices say more."""
    usual = {
        f.name: {} if f.default is MISSING else f.default for f in fields(recipe) if f.name not in CHOICES
    }
    yield from (error for _, error in wrong_kinds({name: getattr(recipe, name) for name in usual}, usual))


def _choices(recipe: "Recipe") -> Iterator[RecipeError]:
    for name, allowed in CHOICES.items():
        value = getattr(recipe, name)
        if name == "precision" and value in UNMODELLED:
            sentence, hint = UNMODELLED[value]
            yield RecipeError(sentence, hint=hint, setting=name)
        elif value not in allowed:
            yield RecipeError(
                f"{name} is {value!r}, which is not one of its values.",
                hint=f"use one of: {', '.join(str(value) for value in allowed if value is not None)}",
                setting=name,
            )
    yield from _numbers(recipe)


def _combinations(recipe: "Recipe") -> Iterator[RecipeError]:
    for one in _COMBINATIONS:
        try:
            one(recipe)
        except RecipeError as error:
            yield error


def _check_loss(recipe: "Recipe") -> None:
    check_loss(recipe.loss, recipe.label_smoothing, recipe.precision)
    if recipe.objective == "dpo":
        check_dpo(recipe)


def _check_evaluation(recipe: "Recipe") -> None:
    if recipe.eval_batches and recipe.objective == "dpo":
        raise RecipeError(
            "objective 'dpo' is evaluated by passes of its own, which are not modelled.",
            hint="--eval-batches 0",
        )
    if recipe.eval_batches and recipe.eval_keep_logits and recipe.loss in ("cut", "trl"):
        raise RecipeError(
            f"loss {recipe.loss!r} makes no logits, so an evaluation cannot keep them.",
            hint="leave eval_keep_logits out, or use --loss stock",
        )


def _check_batch(recipe: "Recipe") -> None:
    if recipe.padding_free and recipe.padded:
        raise RecipeError(
            "padding_free and padded contradict each other: a row of whole sequences has no padding.",
            hint="leave one of the two out",
        )
    if recipe.attn == "flash_attention_2" and recipe.precision == "fp32":
        raise RecipeError(
            "flash_attention_2 does not run in fp32.", hint="use --precision bf16 or --attn sdpa"
        )


def _check_load_dtype(recipe: "Recipe") -> None:
    if recipe.load_dtype == "fp16" and recipe.autocast_dtype == "float16" and recipe.trains_loaded:
        raise RecipeError(
            "Under fp16-mixed, gradients of fp16 weights cannot be unscaled: torch's GradScaler refuses them.",
            hint="leave load_dtype out, which loads fp32, or use precision fp16, which scales no loss",
        )
    if (
        recipe.load_dtype is not None
        and recipe.autocast_dtype is None
        and recipe.load_dtype != recipe.precision
    ):
        raise RecipeError(
            f"load_dtype {recipe.load_dtype!r} contradicts precision {recipe.precision!r}: without autocast, weights "
            "are computed with in the dtype they are loaded in.",
            hint="leave load_dtype out, or use a mixed precision",
        )


def _check_targets(recipe: "Recipe") -> None:
    if isinstance(recipe.target_modules, str) and recipe.target_modules not in (ALL_LINEAR, PEFT_DEFAULT):
        try:
            re.compile(recipe.target_modules)
        except re.error as error:
            raise RecipeError(
                f"target_modules is {recipe.target_modules!r}, which is not a regular expression: {error}.",
                hint=r"write one that matches whole paths, e.g. .*\.(q|v)_proj, or give a list of names",
            ) from error


def _numbers(recipe: "Recipe") -> Iterator[RecipeError]:
    for name, lowest in AT_LEAST.items():
        value = getattr(recipe, name)
        if value is not None and not value >= lowest:
            yield RecipeError(
                f"{name} is {value}, but must be at least {lowest}.",
                hint=f"the default is {_default(recipe, name)}",
                setting=name,
            )
    if recipe.eval_batches > MOST_BATCHES:
        yield RecipeError(
            f"eval_batches is {recipe.eval_batches:,}, but must be at most {MOST_BATCHES:,}.",
            hint="eval_accumulation_steps moves what is kept to the host: then a few batches stand for all",
            setting="eval_batches",
        )
    if recipe.r > MOST_RANK:
        yield RecipeError(
            f"r is {recipe.r:,}, but must be at most {MOST_RANK:,}.",
            hint="a rank above a layer's width adds nothing; 8 to 256 are usual",
            setting="r",
        )
    if recipe.batch_size * recipe.seq_len > MOST_TOKENS:
        yield RecipeError(
            f"{recipe.batch_size:,} sequences of {recipe.seq_len:,} tokens are more than the {MOST_TOKENS:,} tokens "
            "that one micro-batch may have.",
            hint="lower batch_size or seq_len; grad_accum makes a step of several micro-batches",
        )
    yield from _media(recipe)
    if not 0 <= recipe.dropout < 1:
        yield RecipeError(
            f"dropout is {recipe.dropout}, but must be at least 0 and below 1.",
            hint="0.05 and 0.1 are usual",
            setting="dropout",
        )


def _media(recipe: "Recipe") -> Iterator[RecipeError]:
    size, seconds = recipe.image_size, recipe.audio_seconds
    if size is not None and not (
        len(size) == 2 and all(isinstance(side, int) and 1 <= side <= LARGEST_SIDE for side in size)
    ):
        yield RecipeError(
            f"image_size is {size!r}, but must be a height and a width from 1 to {LARGEST_SIDE:,} pixels.",
            hint="for example 448x672",
            setting="image_size",
        )
    if seconds is not None and not 0 < seconds <= LONGEST_SOUND:
        yield RecipeError(
            f"audio_seconds is {seconds}, but must be above 0 and at most {LONGEST_SOUND:,.0f}.",
            hint="30 is Whisper's window",
            setting="audio_seconds",
        )


def _check_peft(recipe: "Recipe") -> None:
    if recipe.method == "last-n" and not (recipe.last_n or recipe.train_head):
        raise RecipeError(
            "last_n is 0 and train_head is off, so nothing is trained.", hint="choose one of the two"
        )
    generic = METHODS[recipe.method].generic
    if generic and recipe.peft_type not in PEFT_TYPES:
        close = get_close_matches(recipe.peft_type or "", PEFT_TYPES, 3)
        said = (
            f"method {recipe.method!r} needs a peft_type, which says what is trained."
            if recipe.peft_type is None
            else f"peft_type {recipe.peft_type!r} is unknown."
        )
        hint = f"did you mean {' or '.join(close)}?" if close else f"use one of: {', '.join(PEFT_TYPES)}"
        raise RecipeError(said, hint=hint)
    if not generic and recipe.peft_type is not None:
        raise RecipeError(
            f"peft_type {recipe.peft_type!r} and method {recipe.method!r} both say what is trained.",
            hint="leave one out; method 'peft' trains what peft_type names, 'qpeft' over a 4-bit base",
        )
    for name, value in recipe.peft.items():
        if value is None:
            raise RecipeError(
                f"peft.{name} is null, which no file of settings can say.", hint=f"leave {name} out"
            )
    if recipe.peft and not recipe.uses_adapters:
        raise RecipeError(
            f"peft means nothing for method {recipe.method!r}, which adds no adapters.",
            hint="leave it out, or choose a method with adapters",
        )


def _check_optimizer(recipe: "Recipe") -> None:
    kind = kind_of(recipe.optimizer)
    try:
        unread = [key for key in parsed_args(recipe.optim_args) if key not in kind.reads]
    except ValueError:
        raise RecipeError(
            f"optim_args is {recipe.optim_args!r}, which is not 'key=value,key=value'.",
            hint="for example rank=64,update_proj_gap=100",
        ) from None
    if unread and kind.reads:
        raise RecipeError(
            f"the Trainer reads no {unread[0]!r} in optim_args for {recipe.optimizer}.",
            hint=f"it reads {', '.join(kind.reads)}",
        )
    if not recipe.optimizer_in_backward:
        return
    for reason, hint in (
        (kind.in_backward and "updates in backward already", "leave optimizer_in_backward out"),
        (kind.low_rank and "has a layerwise variant for that", f"use {recipe.optimizer}_layerwise"),
        (recipe.optimizer in OWN and "is made of two, for different parameters", "use adamw_torch_fused"),
    ):
        if reason:
            raise RecipeError(f"optimizer {recipe.optimizer!r} {reason}.", hint=hint)
    if recipe.grad_accum > 1:
        raise RecipeError(
            "optimizer_in_backward uses every gradient at once, so none can be accumulated.",
            hint="use grad_accum 1, and a larger batch_size where it fits",
        )
    if recipe.autocast_dtype == "float16":
        raise RecipeError(
            "optimizer_in_backward leaves no gradients for the loss scaler of fp16-mixed to check.",
            hint="use bf16-mixed",
        )


_COMBINATIONS: tuple[Callable[["Recipe"], None], ...] = (
    *(_check_peft, _check_targets, _check_optimizer, _check_loss, _check_load_dtype, _check_batch),
    _check_evaluation,
)


def _default(recipe: "Recipe", name: str) -> Any:
    return "twice r" if name == "alpha" else next(f.default for f in fields(recipe) if f.name == name)
