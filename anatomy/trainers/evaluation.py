"""Evaluation between steps as transformers' Trainer runs it, and what no trainer's file says of it."""

from collections.abc import Callable

from anatomy.trainers.table import Caveat, Rule, Settings, Values, integer, on

BATCHES = 2
"""Of an evaluation whose number of batches no file says: without kept logits, each is like the first."""
KEYS = ("eval_strategy", "do_eval", "per_device_eval_batch_size", "eval_accumulation_steps")
"""Of TrainingArguments."""
ASSUMED = (
    "an evaluation keeps losses alone, as the Trainer does without compute_metrics: --eval-keep-logits and --eval-batches "
    "plan what metrics keep"
)
Asked = Callable[[Values], bool]


def by_arguments(values: Values) -> bool:
    """Whether TrainingArguments ask for evaluations."""
    return on(values.get("eval_strategy")) or on(values.get("do_eval"))


def evaluation(asked: Asked, keys: tuple[str, ...] = KEYS) -> Rule:
    """The rule of `keys`: what asks for evaluations, then the batch size and the steps of accumulation."""
    *_, batch, accumulation = keys

    def settings(values: Values) -> Settings:
        if not asked(values):
            return {}
        size = values.get(batch)
        every = values.get(accumulation)
        return {
            "eval_batches": BATCHES,
            **({} if size is None else {"eval_batch_size": integer(batch, size)}),
            **({} if every is None else {"eval_accumulation_steps": integer(accumulation, every)}),
        }

    return Rule(keys=keys, settings=settings)


def of_pairs(asked: Asked, is_dpo: Asked, keys: tuple[str, ...] = KEYS[:2]) -> Caveat:
    """DPO's evaluations."""
    return Caveat(
        keys=keys,
        effect="evaluation of pairs is not planned: its batches are of their own size, and can need more than training",
        when=lambda values: asked(values) and is_dpo(values),
    )


def assumed(asked: bool) -> tuple[str, ...]:
    """What is said where a file asks for evaluations."""
    return (ASSUMED,) if asked else ()
