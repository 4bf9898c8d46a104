"""Which published runs can be compared with a rehearsal: decided from what was run, never from the errors."""

from collections.abc import Callable

from anatomy.training.peft_types import METHODS
from anatomy.validation.published.row import METRICS, Row

TRAINERS = ("TRL SFTTrainer", "transformers Trainer", "loop over transformers")
"""Programs that train transformers' own models, step by step as the rehearsal does."""

_KINDS = {
    "stage": "a stage before training",
    "fit": "no number: said to fit",
    "oom": "no number: out of memory",
}


def comparable(row: Row) -> str | None:
    """None when `row` can be compared with a rehearsal, else the first reason why it cannot."""
    return next((reason for test in _TESTS if (reason := test(row)) is not None), None)


def same_model(row: Row) -> str | None:
    """None when `row` can be set beside a rehearsal of its model with stock kernels, whatever kernels it ran."""
    return next((reason for test in _TESTS if test not in _OTHER_CODE and (reason := test(row))), None)


def _kind(row: Row) -> str | None:
    return None if row.kind == "peak" else f"not a training peak ({_KINDS[row.kind]})"


def _tier(row: Row) -> str | None:
    return None if row.tier in ("A", "B") else "the recipe is not known well enough"


def _gpus(row: Row) -> str | None:
    return None if row.n_gpus == 1 else "several GPUs"


def _trainer(row: Row) -> str | None:
    return None if row.trainer in TRAINERS else f"another trainer than transformers' ({row.trainer})"


def _kernels(row: Row) -> str | None:
    return None if row.kernels == "stock" else f"kernels are not the stock ones ({row.kernels})"


def _length(row: Row) -> str | None:
    known = row.sequence in ("fixed", "packed") or (row.sequence == "cap" and row.compared_at_cap)
    return None if known and row.seq_len else "the length of the longest batch is not published"


def _method(row: Row) -> str | None:
    return None if row.method in METHODS else f"method not yet modelled ({row.method})"


def _figures(row: Row) -> str | None:
    told = any(figure.metric in METRICS and figure.bytes is not None for figure in row.measured)
    return None if told else "what was measured, or its unit, is not stated"


def _recipe(row: Row) -> str | None:
    return "the recipe is not stated fully" if row.recipe is None else None


_TESTS: tuple[Callable[[Row], str | None], ...] = (
    _kind,
    _tier,
    _gpus,
    _trainer,
    _kernels,
    _length,
    _method,
    _figures,
    _recipe,
)

_OTHER_CODE = (_kernels, _method)
"""Tests that ask whether the rehearsal runs the same code; a row they refuse may still have a recipe."""
