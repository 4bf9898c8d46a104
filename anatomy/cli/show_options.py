"""The questions that `anatomy show` answers beside what a model is made of, as flags."""

from collections.abc import Mapping
from typing import Any

import click

from anatomy.cli.options import Function, stack

_ONLY_WITH = {"context": "kv_cache", "batch": "kv_cache", "cache_dtype": "kv_cache"}
"""Option -> the question that it belongs to."""


def question_options(function: Function) -> Function:
    """--formats, --kv-cache with its options."""
    return stack(
        click.option(
            "--formats",
            is_flag=True,
            help="The model's size in each format: fp32 to int8, nf4, GPTQ, AWQ, FP8, MXFP4 and GGUF.",
        ),
        click.option(
            "--kv-cache",
            is_flag=True,
            help="What the model keeps while it writes: bytes a token and of a context, and which GPUs hold it.",
        ),
        click.option(
            "--context",
            type=click.IntRange(min=1),
            metavar="N",
            help="With --kv-cache: tokens of each sequence.  [default: the config's]",
        ),
        click.option(
            "--batch",
            type=click.IntRange(min=1),
            metavar="N",
            help="With --kv-cache: sequences at once.  [default: 1]",
        ),
        click.option(
            "--cache-dtype",
            metavar="FORMAT",
            help="With --kv-cache: fp32, bf16, fp8, int8 or int4.  [default: bf16]",
        ),
    )(function)


QUESTIONS = ("formats", "kv_cache", *_ONLY_WITH)


def questions_of(options: dict[str, Any]) -> Mapping[str, Any]:
    """Take the questions out of a command's options: those that were asked. Raises UsageError for what belongs to none."""
    given = {name: options.pop(name) for name in QUESTIONS}
    asked = {name: value for name, value in given.items() if value not in (None, False)}
    for name, question in _ONLY_WITH.items():
        if name in asked and question not in asked:
            flag, needed = (f"--{word.replace('_', '-')}" for word in (name, question))
            raise click.UsageError(f"{flag} belongs to {needed}.", ctx=click.get_current_context())
    return asked
